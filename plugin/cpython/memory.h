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

// A cache of at most kMostPages pages (28 MiB), filled as needed; when it is full it begins anew. It belongs to one
// sample: flush() starts the next, because a live target moves on under it.
class Memory {
 public:
  explicit Memory(Target& target) : target_(&target), slots_(kSlots) {}
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
  static constexpr std::size_t kSlots = 1 << 14, kMostPages = 7 << 10;

  struct Slot {
    std::uint64_t number = 0;
    std::uint64_t filling = 0;  // which filling of the cache it belongs to; of an earlier one, it is free
    std::size_t present = 0;    // leading bytes that are really there
    std::byte* bytes = nullptr;
  };

  // The slot of that page; a fresh one has nothing present. Valid until the next flush.
  Slot& slot_of(std::uint64_t number);
  std::byte* next_page();
  void add_block();
  // Copies from the page that holds `at`; false if the page does not hold all of it.
  bool copy_from_page(RemoteAddr at, std::span<std::byte> out);

  Target* target_;
  std::vector<Slot> slots_;  // by hash of the page's number, with linear probing
  std::vector<std::span<std::byte>> blocks_;
  std::vector<std::byte*> pages_;  // of all blocks
  std::uint64_t filling_ = 1;
  std::size_t used_ = 0;  // pages of this filling
};

}  // namespace hang::cpython
