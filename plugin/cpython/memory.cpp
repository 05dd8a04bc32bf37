#include "cpython/memory.h"

#include <algorithm>
#include <cstring>

namespace hang::cpython {

void Memory::flush() {
  for (auto& slot : slots_)
    if (slot) slot->present = 0;
}

bool Memory::copy_from_page(RemoteAddr at, std::span<std::byte> out) {
  const std::uint64_t number = at.raw() / kPageSize, offset = at.raw() % kPageSize;
  auto& slot = slots_[number % kPages];
  if (!slot) slot = std::make_unique<Page>();
  if (slot->number != number || slot->present == 0) {
    slot->number = number;
    slot->present = 0;
    auto got = target_->read(RemoteAddr(number * kPageSize), slot->bytes);
    if (!got) return false;
    slot->present = std::min(*got, slot->bytes.size());
  }
  if (offset + out.size() > slot->present) return false;
  std::memcpy(out.data(), slot->bytes.data() + offset, out.size());
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
