#include "commands/files.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "facts/json.h"

namespace hang::commands {
namespace {

// Facts of a process with 10,000 threads are some 50 MB; what is larger is not one of our files.
constexpr std::size_t kMaxFactsBytes = std::size_t{512} << 20;

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

Error io_error(std::string_view doing, const std::string& path, int number) {
  return Error{ErrorKind::io, std::string(doing) + " " + path + ": " + std::strerror(number)};
}

Result<std::string> read_file(const std::string& path) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) return io_error("cannot open", path, errno);
  std::string text;
  char buffer[1 << 16];
  while (std::size_t count = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, count);
    if (text.size() > kMaxFactsBytes) return Error{ErrorKind::io, path + " is too large for saved facts"};
  }
  if (std::ferror(file.get()) != 0) return io_error("cannot read", path, errno);
  return text;
}

}  // namespace

Result<void> write_file(const std::string& path, const std::string& text) {
  File file(std::fopen(path.c_str(), "wb"));
  if (!file) return io_error("cannot write", path, errno);
  bool written = std::fwrite(text.data(), 1, text.size(), file.get()) == text.size();
  int number = errno;
  if (std::fclose(file.release()) != 0 && written) {  // a full disk may show only here
    written = false;
    number = errno;
  }
  if (!written) return io_error("cannot write", path, number);
  return {};
}

bool is_folder(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_snapshot(const std::string& path) {
  return is_folder(path) && access((path + "/" + kManifestName).c_str(), R_OK) == 0;
}

Result<facts::Snapshot> load_facts(const std::string& given) {
  const std::string path = is_snapshot(given) ? given + "/" + kFactsName : given;
  auto text = read_file(path);
  if (!text) return text.error();
  auto snapshot = facts::from_json_text(*text);
  if (!snapshot) return Error{snapshot.error().kind, path + ": " + snapshot.error().message};
  snapshot->target.kind = facts::TargetKind::facts;
  return snapshot;
}

}  // namespace hang::commands
