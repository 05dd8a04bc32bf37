// PageCache: the target's memory by pages, each fetched once and knowing how much of it was there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace hang {

// A read through a debugger is a packet each, which costs the same for 8 bytes and for a page.
class PageCache {
 public:
  static constexpr std::size_t kPage = 4096;
  // Fills a page from its first byte on; returns how many leading bytes are really there.
  using Fetch = std::function<Result<std::size_t>(RemoteAddr page, std::span<std::byte> out)>;

  explicit PageCache(Fetch fetch) : fetch_(std::move(fetch)) {}

  // As Target::read.
  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out);

 private:
  Result<const std::vector<std::byte>*> page_at(std::uint64_t page);

  Fetch fetch_;
  std::unordered_map<std::uint64_t, std::vector<std::byte>> pages_;
};

}  // namespace hang
