// The fuzzer's inputs without the fuzzer: its seeds, cut at every byte and changed byte by byte.
#include <gtest/gtest.h>

#include "fuzz/core_input.h"

namespace hang::test {
namespace {

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(CoreReplay, SeedsAreCores) {
  for (const auto& seed : core_seeds()) EXPECT_TRUE(try_core(bytes_of(seed)));
}

TEST(CoreReplay, CutAtEveryByte) {
  for (const auto& seed : core_seeds())
    for (std::size_t size = 0; size < seed.size(); ++size) try_core(bytes_of(seed).first(size));
}

TEST(CoreReplay, ChangedByteByByte) {
  for (const auto& seed : core_seeds())
    for (std::size_t at = 0; at < seed.size(); ++at)
      for (const char value : {'\x00', '\x01', '\x7f', '\xff'}) {
        std::string changed = seed;
        changed[at] = value;
        try_core(bytes_of(changed));
      }
}

}  // namespace
}  // namespace hang::test
