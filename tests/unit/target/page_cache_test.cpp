#include "target/page_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

namespace hang {
namespace {

constexpr std::uint64_t kPage = PageCache::kPage;

// Memory at [kPage, end), every byte its address; counts the pages asked for.
struct Memory {
  std::uint64_t end = 0;
  std::vector<std::uint64_t> fetched;

  PageCache cache() {
    return PageCache([this](RemoteAddr page, std::span<std::byte> out) -> Result<std::size_t> {
      fetched.push_back(page.raw());
      std::size_t count = 0;
      for (; count < out.size() && page.raw() >= kPage && page.raw() + count < end; ++count)
        out[count] = static_cast<std::byte>(page.raw() + count);
      return count;
    });
  }
};

TEST(PageCacheTest, ReadsAcrossPagesAndFetchesEachOnce) {
  Memory memory{.end = 4 * kPage, .fetched = {}};
  auto cache = memory.cache();
  std::vector<std::byte> out(2 * kPage);
  auto count = cache.read(RemoteAddr(kPage + 100), out);
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(*count, out.size());
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], static_cast<std::byte>(kPage + 100 + i));
  ASSERT_TRUE(cache.read(RemoteAddr(2 * kPage), std::span(out).first(8)).ok());
  EXPECT_THAT(memory.fetched, ::testing::ElementsAre(kPage, 2 * kPage, 3 * kPage));
}

TEST(PageCacheTest, CountsWhatIsThereAndNeverInventsTheRest) {
  Memory memory{.end = 2 * kPage + 10, .fetched = {}};
  auto cache = memory.cache();
  std::vector<std::byte> out(64, std::byte{0xee});
  auto count = cache.read(RemoteAddr(2 * kPage - 6), out);
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(*count, 16u);
  EXPECT_EQ(out[16], std::byte{0xee});
  for (std::uint64_t absent : {std::uint64_t{0}, 2 * kPage + 10, 3 * kPage, ~std::uint64_t{0} - 3}) {
    auto none = cache.read(RemoteAddr(absent), out);
    ASSERT_FALSE(none.ok()) << absent;
    EXPECT_EQ(none.error().kind, ErrorKind::unreadable);
    EXPECT_EQ(none.error().address, RemoteAddr(absent));
  }
}

TEST(PageCacheTest, PassesOnThatTheProcessEnded) {
  PageCache cache([](RemoteAddr, std::span<std::byte>) -> Result<std::size_t> {
    return Error{ErrorKind::no_such_process, "ended"};
  });
  std::byte byte;
  auto read = cache.read(RemoteAddr(kPage), std::span(&byte, 1));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind, ErrorKind::no_such_process);
}

}  // namespace
}  // namespace hang
