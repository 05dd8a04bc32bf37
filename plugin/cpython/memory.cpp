#include "cpython/memory.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace hang::cpython {

Memory::~Memory() {
  for (const auto block : blocks_) munmap(block.data(), block.size());
}

void Memory::flush() {
  ++filling_;
  used_ = 0;
}

bool Memory::has(std::uint64_t number) const {
  for (std::size_t at = place_of(number); slots_[at].filling == filling_; at = (at + 1) % slots_.size())
    if (slots_[at].number == number) return true;
  return false;
}

void Memory::renew() {
  std::vector<RemoteAddr> pages;
  for (const Slot& slot : slots_)
    if (slot.filling == filling_ && slot.present != 0) pages.emplace_back(slot.number * kPageSize);
  flush();
  prefetch(pages);
}

// Pages come in blocks that the kernel fills in at once: a page fault for each of thousands would cost more than all
// reads, above all in a virtual machine. Small blocks at first, huge pages where many are wanted.
void Memory::add_block() {
  constexpr std::size_t kSmall = 64 * kPageSize, kHuge = 512 * kPageSize, kSmallBlocks = 8;
  const bool huge = blocks_.size() >= kSmallBlocks;
  const std::size_t size = huge ? kHuge : kSmall, mapped = huge ? 2 * kHuge : kSmall;
  void* at =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (huge ? 0 : MAP_POPULATE), -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  std::span<std::byte> block(static_cast<std::byte*>(at), mapped);
  if (huge) {
    // Only an aligned one can be huge: what lies around it is given back.
    const std::size_t before = -reinterpret_cast<std::uintptr_t>(at) % kHuge;
    if (before > 0) munmap(block.data(), before);
    if (const auto rest = block.subspan(before + size); !rest.empty()) munmap(rest.data(), rest.size());
    block = block.subspan(before, size);
    madvise(block.data(), block.size(), MADV_HUGEPAGE);  // a wish: without it there are more faults, and no harm
  }
  blocks_.push_back(block);
  for (std::size_t page = 0; page < size; page += kPageSize) pages_.push_back(block.data() + page);
}

std::byte* Memory::next_page() {
  if (used_ == pages_.size()) add_block();
  return pages_[used_++];
}

// Stacks and arenas lie at regular distances; the multiplication (Knuth's, by the golden ratio) spreads them.
std::size_t Memory::place_of(std::uint64_t number) const {
  return (number * 0x9E37'79B9'7F4A'7C15) >> (64 - slot_bits_);
}

void Memory::reserve(std::size_t more) {
  unsigned bits = slot_bits_;
  while ((std::size_t{1} << bits) < 2 * (used_ + more)) ++bits;  // at most half full
  if (bits == slot_bits_) return;
  const auto before = std::exchange(slots_, std::vector<Slot>(std::size_t{1} << bits));
  slot_bits_ = bits;
  for (const Slot& slot : before) {
    if (slot.filling != filling_) continue;
    std::size_t at = place_of(slot.number);
    while (slots_[at].filling == filling_) at = (at + 1) % slots_.size();
    slots_[at] = slot;
  }
}

Memory::Slot& Memory::slot_of(std::uint64_t number) {
  std::size_t at = place_of(number);
  while (slots_[at].filling == filling_) {
    if (slots_[at].number == number) return slots_[at];
    at = (at + 1) % slots_.size();
  }
  if (used_ == kMostPages) {
    flush();
    return slot_of(number);
  }
  if (2 * (used_ + 1) > slots_.size()) {
    reserve(1);
    return slot_of(number);
  }
  slots_[at] = {number, filling_, 0, next_page()};
  return slots_[at];
}

void Memory::prefetch(std::span<const RemoteAddr> addresses) {
  std::vector<std::uint64_t> numbers;
  for (const RemoteAddr at : addresses)
    if (at && !has(at.raw() / kPageSize)) numbers.push_back(at.raw() / kPageSize);
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  numbers.resize(std::min(numbers.size(), kMostPages));
  if (used_ + numbers.size() > kMostPages) flush();  // or slots would change their pages on the way
  reserve(numbers.size());                           // so that the slots stay where they are
  std::vector<ReadRequest> requests;
  std::vector<Slot*> slots;
  for (const std::uint64_t number : numbers) {
    auto& slot = slot_of(number);
    slots.push_back(&slot);
    requests.push_back({RemoteAddr(number * kPageSize), std::span(slot.bytes, kPageSize), 0});
  }
  target_->read_many(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) slots[i]->present = requests[i].got;
}

bool Memory::copy_from_page(RemoteAddr at, std::span<std::byte> out) {
  const std::uint64_t number = at.raw() / kPageSize, offset = at.raw() % kPageSize;
  auto& slot = slot_of(number);
  if (slot.present == 0) {
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
