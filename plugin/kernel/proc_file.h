// Reading /proc: one directory held open per process or thread, one scratch buffer per walk, no streams.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/result.h"

namespace hang::kernel {

// Owns a file descriptor of ours; -1 = none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// The Error for errno `error` met while doing `what` ("read /proc/7/stat").
Error errno_error(int error, std::string_view what);

// Text of a file, in the caller's scratch buffer: valid until that buffer is used again.
struct ProcText {
  std::string_view text;
  bool complete = true;  // false: longer than the limit given
};

// A directory under /proc, held open: whatever is read through it is about that process or thread or fails with
// ESRCH; a pid that is given to somebody else in the meantime cannot be mistaken for it.
class ProcDir {
 public:
  // `no_such_process` if there is none, `no_permission` with hidepid.
  static Result<ProcDir> open_process(std::uint64_t pid);
  static Result<ProcDir> open_thread(std::uint64_t pid, std::uint64_t tid);
  // /proc itself.
  static Result<ProcDir> open_all();
  // The calling thread itself.
  static Result<ProcDir> open_self_thread();
  // A directory inside this one: "fd", "task".
  [[nodiscard]] Result<ProcDir> open(const char* name) const;

  // At most `limit` bytes of `name`, for files that the kernel renders in one go (seq_file's single_open), which is
  // all of those used here. Errors: `no_such_process` (gone, or no such file), `no_permission`, `unreadable`.
  Result<ProcText> read(const char* name, std::string& scratch, std::size_t limit = kDefaultLimit) const;

  // Target of the symbolic link `name`, at most 4095 bytes of it.
  Result<std::string_view> link(const char* name, std::string& scratch) const;

  // The folder `name` in this one, without opening it: one call of the kernel less for each use and one for its end.
  [[nodiscard]] ProcDir within(const char* name) const { return {fd_, path_ + "/" + name, prefix_ + name + "/"}; }

  [[nodiscard]] int fd() const { return fd_->get(); }
  [[nodiscard]] const std::string& path() const { return path_; }

  static constexpr std::size_t kDefaultLimit = std::size_t{64} << 10;

 private:
  static Result<ProcDir> open_path(std::string path);
  ProcDir(UniqueFd fd, std::string path) : fd_(std::make_shared<UniqueFd>(std::move(fd))), path_(std::move(path)) {}
  ProcDir(std::shared_ptr<UniqueFd> fd, std::string path, std::string prefix)
      : fd_(std::move(fd)), path_(std::move(path)), prefix_(std::move(prefix)) {}

  std::shared_ptr<UniqueFd> fd_;
  std::string path_, prefix_;  // of the files, for errors; of their names below fd_
};

// The entries of a /proc directory whose names are numbers (pids, tids, fds), without allocating.
class NumberedEntries {
 public:
  explicit NumberedEntries(const ProcDir& dir) : fd_(dir.fd()) {}
  // Next number; nothing at the end or on an error (see `failed`).
  std::optional<std::uint64_t> next();
  // Its name, valid until the next call.
  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  int fd_;
  bool failed_ = false;
  const char* name_ = "";
  std::size_t used_ = 0, size_ = 0;
  alignas(8) char buffer_[8192];
};

// Parsing. What does not look as expected is absent, never zero.

// Removes blanks, tabs and newlines from both ends.
std::string_view trim(std::string_view text);

// The whole of `text` as a number; "0x" is skipped for base 16.
template <typename Number>
std::optional<Number> parse_number(std::string_view text, int base = 10) {
  if (base == 16 && text.starts_with("0x")) text.remove_prefix(2);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The value of the line "KEY:<blanks>value", as in /proc/PID/status and fdinfo.
std::optional<std::string_view> value_of(std::string_view text, std::string_view key);

template <typename Number>
std::optional<Number> number_of(std::string_view text, std::string_view key, int base = 10) {
  const auto value = value_of(text, key);
  return value ? parse_number<Number>(*value, base) : std::nullopt;
}

// Splits a text at blanks and newlines, one word at a time.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}
  // Next word, empty at the end.
  std::string_view next();
  template <typename Number>
  std::optional<Number> number(int base = 10) {
    return parse_number<Number>(next(), base);
  }

 private:
  std::string_view rest_;
};

// Splits a text into lines.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  // False at the end.
  bool next(std::string_view& line);

 private:
  std::string_view rest_;
};

}  // namespace hang::kernel
