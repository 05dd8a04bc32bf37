#include "target/page_cache.h"

#include <algorithm>
#include <cstring>

namespace hang {
namespace {

// 64 MiB. Beyond it the cache starts again: what is read is read in neighbourhoods.
constexpr std::size_t kMaxPages = 16384;

}  // namespace

Result<const std::vector<std::byte>*> PageCache::page_at(std::uint64_t page) {
  if (auto found = pages_.find(page); found != pages_.end()) return &found->second;
  std::vector<std::byte> bytes(kPage);
  auto count = fetch_(RemoteAddr(page), bytes);
  if (!count && count.error().kind != ErrorKind::unreadable) return count.error();
  bytes.resize(count ? std::min(*count, kPage) : 0);
  bytes.shrink_to_fit();
  if (pages_.size() >= kMaxPages) pages_.clear();
  return &pages_.emplace(page, std::move(bytes)).first->second;
}

Result<std::size_t> PageCache::read(RemoteAddr address, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    auto at = address.plus(done);
    if (!at) break;  // past the end of the address space
    std::uint64_t offset = at->raw() % kPage;
    auto page = page_at(at->raw() - offset);
    if (!page) return page.error();
    if (offset >= (*page)->size()) break;
    std::size_t count = std::min<std::size_t>((*page)->size() - offset, out.size() - done);
    std::memcpy(out.data() + done, (*page)->data() + offset, count);
    done += count;
    if (offset + count < kPage) break;  // the rest of this page is not there, or nothing more is wanted
  }
  if (done == 0 && !out.empty()) return Error{ErrorKind::unreadable, "the memory is not there", address};
  return done;
}

}  // namespace hang
