#include "cpython/memory.h"

#include <gtest/gtest.h>
#include <vector>

#include "support/fake_target.h"

namespace hang::cpython {
namespace {

using hang::test::FakeTarget;

class MemoryTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kPage = 4096, kPages = 3000;  // far more than the cache has slots at first

  void SetUp() override {
    target_.put_zeros(begin_, kPages * kPage);
    number_pages(0);
  }
  // Each page begins with its number and a generation.
  void number_pages(std::uint64_t generation) {
    for (std::uint64_t page = 0; page < kPages; ++page) target_.put(begin_.field(page * kPage), page + generation);
  }
  std::uint64_t value(Memory& memory, std::uint64_t page) const {
    std::uint64_t value = UINT64_MAX;
    const auto done = memory.read(begin_.field(page * kPage), std::as_writable_bytes(std::span(&value, 1)));
    EXPECT_TRUE(done.ok());
    return value;
  }
  std::vector<RemoteAddr> all() const {
    std::vector<RemoteAddr> addresses;
    for (std::uint64_t page = 0; page < kPages; ++page) addresses.push_back(begin_.field(page * kPage + 8));
    return addresses;
  }

  const RemoteAddr begin_{0x7f0000000000};
  FakeTarget target_;
};

TEST_F(MemoryTest, GrowsAndKeepsWhatItHas) {
  Memory memory(target_);
  for (std::uint64_t page = 0; page < kPages; page += 7) EXPECT_EQ(value(memory, page), page);
  memory.prefetch(all());
  number_pages(1'000'000);  // nothing of it is seen before the next sample
  for (std::uint64_t page = 0; page < kPages; ++page) ASSERT_EQ(value(memory, page), page);
}

TEST_F(MemoryTest, NewSampleSeesWhatChanged) {
  Memory memory(target_);
  memory.prefetch(all());
  number_pages(1'000'000);
  target_.remove(begin_.field(5 * kPage), kPage);
  memory.renew();
  for (std::uint64_t page = 6; page < kPages; ++page) ASSERT_EQ(value(memory, page), page + 1'000'000);
  std::uint64_t gone = 0;
  EXPECT_FALSE(memory.read(begin_.field(5 * kPage), std::as_writable_bytes(std::span(&gone, 1))).ok());
}

}  // namespace
}  // namespace hang::cpython
