// FileBytes: reads of an open file that never believe what they are asked for.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unistd.h>

namespace hang::core {

class FileBytes {
 public:
  FileBytes(int fd, std::uint64_t size) : fd_(fd), size_(size) {}

  [[nodiscard]] std::uint64_t size() const { return size_; }

  // The number of leading bytes that are there.
  [[nodiscard]] std::size_t read_some(std::uint64_t offset, std::span<std::byte> out) const {
    if (offset >= size_) return 0;
    if (out.size() > size_ - offset) out = out.first(size_ - offset);
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t count = pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  // False unless all of it is there.
  [[nodiscard]] bool read(std::uint64_t offset, std::span<std::byte> out) const {
    return read_some(offset, out) == out.size();
  }

  template <typename T>
  [[nodiscard]] std::optional<T> value(std::uint64_t offset) const {
    T value{};
    if (!read(offset, std::as_writable_bytes(std::span(&value, 1)))) return std::nullopt;
    return value;
  }

 private:
  int fd_;
  std::uint64_t size_;
};

}  // namespace hang::core
