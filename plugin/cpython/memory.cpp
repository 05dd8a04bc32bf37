#include "cpython/memory.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>

namespace hang::cpython {

Memory::~Memory() {
  for (std::byte* block : blocks_) munmap(block, kPagesPerBlock * kPageSize);
}

void Memory::flush() {
  for (auto& slot : slots_) slot.present = 0;
}

// Pages come in blocks that the kernel fills in at once: a page fault for each of thousands would cost more than all
// reads, above all in a virtual machine.
Memory::Slot& Memory::slot_of(std::uint64_t number) {
  static_assert(kPages == 1 << 12, "the upper 12 bits of the product are the slot");
  // Stacks and arenas lie at regular distances; the multiplication (Knuth's, by the golden ratio) spreads them.
  auto& slot = slots_[(number * 0x9E37'79B9'7F4A'7C15) >> 52];
  if (slot.bytes != nullptr) return slot;
  if (used_ == kPagesPerBlock) {
    void* block = mmap(nullptr, kPagesPerBlock * kPageSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (block == MAP_FAILED) throw std::bad_alloc();
    blocks_.push_back(static_cast<std::byte*>(block));
    used_ = 0;
  }
  slot.bytes = blocks_.back() + kPageSize * used_++;
  return slot;
}

void Memory::prefetch(std::span<const RemoteAddr> addresses) {
  std::vector<ReadRequest> requests;
  std::vector<Slot*> slots;
  for (const RemoteAddr at : addresses) {
    const std::uint64_t number = at.raw() / kPageSize;
    auto& slot = slot_of(number);
    const bool asked = slot.number == number && slot.present != 0;
    if (!at || asked) continue;
    slot.number = number;
    slot.present = kPageSize;  // asked for; another address of the same page need not be
    slots.push_back(&slot);
    requests.push_back({RemoteAddr(number * kPageSize), std::span(slot.bytes, kPageSize), 0});
  }
  target_->read_many(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    // Two pages of one slot: the last one is there, if any.
    const bool mine = slots[i]->number == requests[i].at.raw() / kPageSize;
    if (mine) slots[i]->present = requests[i].got;
  }
}

bool Memory::copy_from_page(RemoteAddr at, std::span<std::byte> out) {
  const std::uint64_t number = at.raw() / kPageSize, offset = at.raw() % kPageSize;
  auto& slot = slot_of(number);
  if (slot.number != number || slot.present == 0) {
    slot.number = number;
    slot.present = 0;
    auto got = target_->read(RemoteAddr(number * kPageSize), std::span(slot.bytes, kPageSize));
    if (!got) return false;
    slot.present = std::min<std::size_t>(*got, kPageSize);
  }
  if (offset + out.size() > slot.present) return false;
  std::memcpy(out.data(), slot.bytes + offset, out.size());
  return true;
}

Result<void> Memory::read(RemoteAddr at, std::span<std::byte> out, std::string_view field) {
  if (out.empty()) return {};
  if (!at.plus(out.size() - 1)) return Error{ErrorKind::unreadable, "the address wraps around", at, std::string(field)};
  RemoteAddr from = at;
  auto left = out;
  while (!left.empty()) {
    const std::size_t room = std::min<std::size_t>(kPageSize - from.raw() % kPageSize, left.size());
    // A page whose first bytes are missing may still hold these (a core need not keep whole pages): ask for exactly
    // them.
    if (left.size() > kPageSize || !copy_from_page(from, left.first(room)))
      return read_exact(*target_, from, left, field);
    left = left.subspan(room);
    from = from.field(room);
  }
  return {};
}

}  // namespace hang::cpython
