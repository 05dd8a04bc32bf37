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
// sample: renew() starts the next, because a live target moves on under it.
class Memory {
 public:
  explicit Memory(Target& target) : target_(&target) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();

  // Reads exactly out.size() bytes, or fails with `unreadable` naming `field`.
  Result<void> read(RemoteAddr at, std::span<std::byte> out, std::string_view field = {});
  void flush();
  // Forgets all, and reads the pages that were in use again, at once: a sample looks at what the one before looked at.
  void renew();
  // Reads the pages of all those addresses at once; what is not there is found out when it is read.
  void prefetch(std::span<const RemoteAddr> addresses);

  [[nodiscard]] Target& target() { return *target_; }

 private:
  static constexpr std::uint64_t kPageSize = 4096;
  static constexpr std::size_t kMostPages = 7 << 10;

  struct Slot {
    std::uint64_t number = 0;
    std::uint64_t filling = 0;  // which filling of the cache it belongs to; of an earlier one, it is free
    std::size_t present = 0;    // leading bytes that are really there
    std::byte* bytes = nullptr;
  };

  [[nodiscard]] std::size_t place_of(std::uint64_t number) const;
  // Makes room for that many pages more; moves the slots.
  void reserve(std::size_t more);
  [[nodiscard]] bool has(std::uint64_t number) const;
  // The slot of that page; a fresh one has nothing present. Valid until another
  // page's is asked for.
  Slot& slot_of(std::uint64_t number);
  std::byte* next_page();
  void add_block();
  // Copies from the page that holds `at`; false if the page does not hold all of it.
  bool copy_from_page(RemoteAddr at, std::span<std::byte> out);

  Target* target_;
  unsigned slot_bits_ = 8;
  std::vector<Slot> slots_ = std::vector<Slot>(std::size_t{1} << slot_bits_);  // by hash, with linear probing
  std::vector<std::span<std::byte>> blocks_;
  std::vector<std::byte*> pages_;  // of all blocks
  std::uint64_t filling_ = 1;
  std::size_t used_ = 0;  // pages of this filling
};

}  // namespace hang::cpython
