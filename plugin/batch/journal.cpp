#include "batch/journal.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <functional>
#include <span>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace hang::batch {
namespace {

constexpr std::size_t kMaxLine = std::size_t{16} << 20, kChunk = std::size_t{1} << 16;

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

// A regular file, open. A device has no end, and a FIFO would wait for its other side.
Result<int> open_file(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_NONBLOCK | O_CLOEXEC, 0644);
  if (fd < 0) return io_error(path);
  struct stat status {};
  const bool known = fstat(fd, &status) == 0;
  if (known && S_ISREG(status.st_mode)) return fd;
  const auto error = known ? Error{ErrorKind::io, path + " is not a regular file"} : io_error(path);
  close(fd);
  return error;
}

Result<std::size_t> read_some(int fd, std::span<char> to, const std::string& path) {
  for (;;) {
    const auto got = read(fd, to.data(), to.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return io_error(path);
  }
}

// Calls `take` with each line and whether it has an end, until that fails. Never holds more than one line.
Result<void> for_each_line(int fd, const std::string& path,
                           const std::function<Result<void>(const std::string& line, bool whole)>& take) {
  std::vector<char> chunk(kChunk);
  std::string line;
  for (;;) {
    const auto got = read_some(fd, chunk, path);
    if (!got) return got.error();
    if (*got == 0) return line.empty() ? Result<void>() : take(line, false);
    std::string_view text(chunk.data(), *got);
    for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      line += text.substr(0, end);
      text.remove_prefix(end + 1);
      if (auto taken = take(line, true); !taken) return taken;
      line.clear();
    }
    line += text;
    if (line.size() > kMaxLine)
      return Error{ErrorKind::inconsistent, fmt::format("{} has a line that is longer than any row", path)};
  }
}

// What a killed writer leaves. Anything else is a file of somebody's that only was named by mistake.
bool begins_a_row(const std::string& line) {
  constexpr std::string_view kBegin = "{\"path\":";
  const auto size = std::min(line.size(), kBegin.size());
  return std::string_view(line).substr(0, size) == kBegin.substr(0, size);
}

}  // namespace

Result<std::size_t> read_rows(const std::string& path, Rows& rows) {
  const auto fd = open_file(path, O_RDONLY);
  if (!fd) return fd.error();
  std::size_t number = 0, cut_off = 0;
  auto read = for_each_line(*fd, path, [&](const std::string& line, bool whole) -> Result<void> {
    ++number;
    if (line.empty()) return {};
    auto row = from_line(line);
    if (!row && !whole && begins_a_row(line)) {
      ++cut_off;
      return {};
    }
    if (!row) return Error{ErrorKind::inconsistent, fmt::format("{}, line {}: {}", path, number, row.error().message)};
    rows.insert_or_assign(row->item.path, std::move(*row));
    return {};
  });
  close(*fd);
  if (!read) return read.error();
  return cut_off;
}

Result<void> check_output(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return Error{ErrorKind::io, path + " is not a regular file"};
  return {};
}

Journal::~Journal() {
  if (fd_ >= 0) close(fd_);
}

Result<void> Journal::open(const std::string& path) {
  path_ = path;
  const auto fd = open_file(path, O_RDWR | O_CREAT);
  if (!fd) return fd.error();
  fd_ = *fd;
  off_t keep = 0;
  auto read = for_each_line(fd_, path, [&](const std::string& line, bool whole) -> Result<void> {
    if (whole) keep += static_cast<off_t>(line.size() + 1);
    return {};
  });
  if (!read) return read;
  if (ftruncate(fd_, keep) != 0 || lseek(fd_, keep, SEEK_SET) < 0) return io_error(path);
  return {};
}

Result<void> Journal::append(const Row& row) {
  return write_all(fd_, to_line(row) + "\n", path_);
}

Result<void> Journal::replace(const std::string& path, const Rows& rows) {
  const std::string next = path + ".tmp";
  const auto opened = open_file(next, O_WRONLY | O_CREAT | O_TRUNC);
  if (!opened) return opened.error();
  const int fd = *opened;
  Result<void> done;
  std::string text;
  for (auto row = rows.begin(); row != rows.end() && done; ++row) {
    text += to_line(row->second) + "\n";
    if (text.size() < kChunk) continue;
    done = write_all(fd, text, next);
    text.clear();
  }
  if (done) done = write_all(fd, text, next);
  if (close(fd) != 0 && done) done = io_error(next);
  if (!done) return done;
  return std::rename(next.c_str(), path.c_str()) == 0 ? Result<void>{} : Result<void>(io_error(path));
}

}  // namespace hang::batch
