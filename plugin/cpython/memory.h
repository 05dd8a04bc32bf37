// Memory: the target's memory through a small cache of pages, so that field-by-field readers cost one read per page.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "target/target.h"

namespace hang::cpython {

// A direct-mapped cache of at most kPages pages (16 MiB), filled as needed. It belongs to one sample: flush() starts
// the next, because a live target moves on under it.
class Memory {
 public:
  explicit Memory(Target& target) : target_(&target), slots_(kPages) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();

  // Reads exactly out.size() bytes, or fails with `unreadable` naming `field`.
  Result<void> read(RemoteAddr at, std::span<std::byte> out, std::string_view field = {});
  void flush();
  // Reads the pages of all those addresses at once; what is not there is found out when it is read.
  void prefetch(std::span<const RemoteAddr> addresses);

  [[nodiscard]] Target& target() { return *target_; }

 private:
  static constexpr std::uint64_t kPageSize = 4096;
  static constexpr std::size_t kPages = 4096, kPagesPerBlock = 64;

  struct Slot {
    std::uint64_t number = 0;
    std::size_t present = 0;  // leading bytes that are really there
    std::byte* bytes = nullptr;
  };

  Slot& slot_of(std::uint64_t number);
  // Copies from the page that holds `at`; false if the page does not hold all of it.
  bool copy_from_page(RemoteAddr at, std::span<std::byte> out);

  Target* target_;
  std::vector<Slot> slots_;
  std::vector<std::byte*> blocks_;     // of kPagesPerBlock pages each
  std::size_t used_ = kPagesPerBlock;  // pages of the last block
};

}  // namespace hang::cpython
