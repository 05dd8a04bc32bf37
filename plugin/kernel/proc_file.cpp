#include "kernel/proc_file.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hang::kernel {
namespace {

constexpr std::string_view kBlanks = " \t\n";

// struct linux_dirent64 (include/linux/dirent.h): u64 d_ino, s64 d_off, u16 d_reclen, u8 d_type, char d_name[].
constexpr std::size_t kReclenOffset = 16, kNameOffset = 19;

Result<UniqueFd> open_at(int dir, const char* name, int flags, std::string_view shown) {
  UniqueFd fd(openat(dir, name, flags | O_CLOEXEC | O_NOCTTY));
  if (!fd) return errno_error(errno, fmt::format("open {}", shown));
  return fd;
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

Error errno_error(int error, std::string_view what) {
  ErrorKind kind = ErrorKind::unreadable;
  if (error == ENOENT || error == ESRCH) kind = ErrorKind::no_such_process;
  if (error == EACCES || error == EPERM) kind = ErrorKind::no_permission;
  return Error{kind, fmt::format("cannot {}: {}", what, std::strerror(error))};
}

Result<ProcDir> ProcDir::open_path(std::string path) {
  auto fd = open_at(AT_FDCWD, path.c_str(), O_DIRECTORY | O_RDONLY, path);
  if (!fd) return fd.error();
  return ProcDir(std::move(*fd), std::move(path));
}

Result<ProcDir> ProcDir::open_process(std::uint64_t pid) {
  return open_path(fmt::format("/proc/{}", pid));
}

Result<ProcDir> ProcDir::open_thread(std::uint64_t pid, std::uint64_t tid) {
  return open_path(fmt::format("/proc/{}/task/{}", pid, tid));
}

Result<ProcDir> ProcDir::open_all() {
  return open_path("/proc");
}

Result<ProcDir> ProcDir::open_self_thread() {
  return open_path("/proc/thread-self");
}

Result<ProcDir> ProcDir::open(const char* name) const {
  std::string path = fmt::format("{}/{}", path_, name);
  auto fd = open_at(this->fd(), (prefix_ + name).c_str(), O_DIRECTORY | O_RDONLY, path);
  if (!fd) return fd.error();
  return ProcDir(std::move(*fd), std::move(path));
}

Result<ProcText> ProcDir::read(const char* name, std::string& scratch, std::size_t limit) const {
  const UniqueFd file(openat(fd(), (prefix_ + name).c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return errno_error(errno, fmt::format("open {}/{}", path_, name));
  if (scratch.size() < 4096) scratch.resize(4096);
  std::size_t used = 0;
  while (true) {
    const ssize_t got = ::read(file.get(), scratch.data() + used, scratch.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, fmt::format("read {}/{}", path_, name));
    used += static_cast<std::size_t>(got);
    // A short read is the end: the second read of these files would only say so again.
    if (used < scratch.size()) break;
    if (used >= limit) return ProcText{std::string_view(scratch.data(), limit), false};
    scratch.resize(scratch.size() * 2);
  }
  return ProcText{std::string_view(scratch.data(), std::min(used, limit)), used <= limit};
}

Result<std::string_view> ProcDir::link(const char* name, std::string& scratch) const {
  if (scratch.size() < PATH_MAX) scratch.resize(PATH_MAX);
  const ssize_t length = readlinkat(fd(), (prefix_ + name).c_str(), scratch.data(), PATH_MAX - 1);
  if (length < 0) return errno_error(errno, fmt::format("read link {}/{}", path_, name));
  return std::string_view(scratch.data(), static_cast<std::size_t>(length));
}

std::optional<std::uint64_t> NumberedEntries::next() {
  while (true) {
    if (used_ >= size_) {
      // The raw call, because opendir() allocates 32 KiB for each of the hundreds of directories that are listed.
      const long got = syscall(SYS_getdents64, fd_, buffer_, sizeof buffer_);
      failed_ = got < 0;
      if (got <= 0) return std::nullopt;
      used_ = 0;
      size_ = static_cast<std::size_t>(got);
    }
    const char* entry = buffer_ + used_;
    std::uint16_t length = 0;
    std::memcpy(&length, entry + kReclenOffset, sizeof length);
    used_ += length;
    name_ = entry + kNameOffset;
    if (const auto number = parse_number<std::uint64_t>(name_)) return number;
  }
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::optional<std::string_view> value_of(std::string_view text, std::string_view key) {
  Lines lines(text);
  std::string_view line;
  while (lines.next(line)) {
    if (line.size() > key.size() && line[key.size()] == ':' && line.starts_with(key)) {
      return trim(line.substr(key.size() + 1));
    }
  }
  return std::nullopt;
}

std::string_view Words::next() {
  const std::size_t begin = rest_.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    rest_ = {};
    return {};
  }
  rest_.remove_prefix(begin);
  const std::string_view word = rest_.substr(0, rest_.find_first_of(kBlanks));
  rest_.remove_prefix(word.size());
  return word;
}

bool Lines::next(std::string_view& line) {
  if (rest_.empty()) return false;
  const std::size_t end = rest_.find('\n');
  line = rest_.substr(0, end);
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  return true;
}

}  // namespace hang::kernel
