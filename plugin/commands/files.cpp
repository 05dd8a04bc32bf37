#include "commands/files.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "facts/json.h"

namespace hang::commands {
namespace {

// Facts of a process with 10,000 threads are some 50 MB; what is larger is not one of our files. Read, they take four
// times as much memory.
constexpr std::size_t kMaxFactsBytes = std::size_t{256} << 20;

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

Error io_error(std::string_view doing, const std::string& path, int number) {
  return Error{ErrorKind::io, std::string(doing) + " " + path + ": " + std::strerror(number)};
}

Result<std::string> read_file(const std::string& path) {
  // O_NONBLOCK: a FIFO would wait for its writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return io_error("cannot open", path, errno);
  File file(fdopen(fd, "rb"));
  struct stat status {};
  if (!file || fstat(fd, &status) != 0) return io_error("cannot read", path, errno);
  if (S_ISDIR(status.st_mode)) return io_error("cannot read", path, EISDIR);
  if (!S_ISREG(status.st_mode)) return Error{ErrorKind::io, path + " is not a regular file"};
  const Error too_large{ErrorKind::io, path + " is too large for saved facts"};
  if (status.st_size > static_cast<off_t>(kMaxFactsBytes)) return too_large;
  std::string text;
  char buffer[1 << 16];
  while (std::size_t count = std::fread(buffer, 1, sizeof buffer, file.get())) {
    if (text.size() + count > kMaxFactsBytes) return too_large;  // it grows
    text.append(buffer, count);
  }
  if (std::ferror(file.get()) != 0) return io_error("cannot read", path, errno);
  return text;
}

}  // namespace

int open_private(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (fd < 0 || fchmod(fd, 0600) == 0) return fd;  // one that was there keeps its mode otherwise
  const int number = errno;
  close(fd);
  errno = number;
  return -1;
}

Result<void> write_file(const std::string& path, const std::string& text, Mode mode) {
  File file(mode == Mode::common ? std::fopen(path.c_str(), "wb") : nullptr);
  if (mode == Mode::as_a_core)
    if (const int fd = open_private(path); fd >= 0) file.reset(fdopen(fd, "wb"));
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

std::optional<std::string> sidecar_of(const std::string& core) {
  const auto slash = core.rfind('/'), dot = core.rfind('.');
  const bool has_suffix = dot != std::string::npos && (slash == std::string::npos || dot > slash);
  for (const std::string& name : {core, has_suffix ? core.substr(0, dot) : core}) {
    const std::string path = name + kSidecarSuffix;
    if (access(path.c_str(), F_OK) == 0) return path;
  }
  const std::string folder = slash == std::string::npos ? "." : core.substr(0, slash);
  if (is_snapshot(folder) && core.ends_with(kCoreName)) return folder + "/" + kFactsName;
  return std::nullopt;
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
