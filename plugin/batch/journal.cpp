#include "batch/journal.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace hang::batch {
namespace {

Error io_error(const std::string& path) {
  return Error{ErrorKind::io, fmt::format("{}: {}", path, std::strerror(errno))};
}

Result<void> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto done = write(fd, text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return io_error(path);
    text.remove_prefix(static_cast<std::size_t>(done));
  }
  return {};
}

Result<std::string> whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return io_error(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

Result<void> read_rows(const std::string& path, Rows& rows) {
  auto text = whole_file(path);
  if (!text) return text.error();
  std::size_t begin = 0;
  for (std::size_t number = 1; begin < text->size(); ++number) {
    const auto end = text->find('\n', begin);
    if (end == std::string::npos) return {};  // the writer was killed inside of this line
    const auto line = text->substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    auto row = from_line(line);
    if (!row) return Error{ErrorKind::inconsistent, fmt::format("{}, line {}: {}", path, number, row.error().message)};
    rows.insert_or_assign(row->item.path, std::move(*row));
  }
  return {};
}

Journal::~Journal() {
  if (fd_ >= 0) close(fd_);
}

Result<void> Journal::open(const std::string& path) {
  path_ = path;
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) return io_error(path);
  auto text = whole_file(path);
  if (!text) return text.error();
  const auto last = text->rfind('\n');
  const auto keep = last == std::string::npos ? 0 : static_cast<off_t>(last + 1);
  if (ftruncate(fd_, keep) != 0 || lseek(fd_, keep, SEEK_SET) < 0) return io_error(path);
  return {};
}

Result<void> Journal::append(const Row& row) {
  return write_all(fd_, to_line(row) + "\n", path_);
}

Result<void> Journal::replace(const std::string& path, const Rows& rows) {
  const std::string next = path + ".tmp";
  const int fd = ::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return io_error(next);
  std::string text;
  for (const auto& [name, row] : rows) text += to_line(row) + "\n";
  auto done = write_all(fd, text, next);
  if (close(fd) != 0 && done) done = io_error(next);
  if (!done) return done;
  return std::rename(next.c_str(), path.c_str()) == 0 ? Result<void>{} : Result<void>(io_error(path));
}

}  // namespace hang::batch
