// RemoteAddr: an address in the debuggee, which is not a pointer of ours and not a plain number.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace hang {

// A virtual address in the target. Construction is explicit; arithmetic is checked.
class RemoteAddr {
 public:
  constexpr RemoteAddr() = default;
  constexpr explicit RemoteAddr(std::uint64_t raw) : raw_(raw) {}

  [[nodiscard]] constexpr std::uint64_t raw() const { return raw_; }
  // False for the target's NULL.
  constexpr explicit operator bool() const { return raw_ != 0; }
  constexpr auto operator<=>(const RemoteAddr&) const = default;

  // This address plus `offset` bytes; nothing if that wraps around (a forged pointer).
  [[nodiscard]] constexpr std::optional<RemoteAddr> plus(std::uint64_t offset) const {
    if (offset > std::numeric_limits<std::uint64_t>::max() - raw_) return std::nullopt;
    return RemoteAddr(raw_ + offset);
  }

  // Plus for offsets that come from a layout (small, ours): wraps to NULL instead of being optional.
  [[nodiscard]] constexpr RemoteAddr field(std::uint64_t offset) const {
    auto sum = plus(offset);
    return sum ? *sum : RemoteAddr();
  }

  // True if this lies in [begin, begin + size).
  [[nodiscard]] constexpr bool within(RemoteAddr begin, std::uint64_t size) const {
    return raw_ >= begin.raw_ && raw_ - begin.raw_ < size;
  }

  // "0x7f5e16f40c70"
  [[nodiscard]] std::string hex() const;

 private:
  std::uint64_t raw_ = 0;
};

}  // namespace hang
