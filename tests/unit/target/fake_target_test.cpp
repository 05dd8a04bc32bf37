#include "support/fake_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hang::test {
namespace {

TEST(FakeTarget, ReadsStopAtTheFirstMissingByte) {
  FakeTarget target;
  target.put(RemoteAddr(0x1ffc), std::uint64_t{0x1122334455667788});  // across a page
  EXPECT_EQ(*read_value<std::uint64_t>(target, RemoteAddr(0x1ffc)), 0x1122334455667788U);
  std::array<std::byte, 16> bytes{};
  EXPECT_EQ(*target.read(RemoteAddr(0x1ffc), bytes), 8U);
  EXPECT_EQ(target.read(RemoteAddr(0x2004), bytes).error().kind, ErrorKind::unreadable);
  EXPECT_EQ(target.read(RemoteAddr(UINT64_MAX), bytes).error().kind, ErrorKind::unreadable);
}

TEST(ReadExact, NamesTheFieldAndTheMissingByte) {
  FakeTarget target;
  target.put(RemoteAddr(0x1000), std::uint32_t{7});
  auto partial = read_value<std::uint64_t>(target, RemoteAddr(0x1000), "PyThreadState.next");
  ASSERT_FALSE(partial.ok());
  EXPECT_EQ(partial.error().kind, ErrorKind::unreadable);
  EXPECT_EQ(partial.error().field, "PyThreadState.next");
  EXPECT_EQ(partial.error().address, RemoteAddr(0x1004));
  EXPECT_EQ(read_value<std::uint64_t>(target, RemoteAddr(0x9000), "x").error().address, RemoteAddr(0x9000));
}

TEST(FakeTarget, FaultsAreCounted) {
  FakeTarget target;
  target.put_zeros(RemoteAddr(0x1000), 64);
  target.fail_at(RemoteAddr(0x1010), 4);
  target.fail_at(RemoteAddr(0x1030), 4);
  EXPECT_TRUE(read_value<std::uint64_t>(target, RemoteAddr(0x1000)).ok());
  EXPECT_FALSE(read_value<std::uint16_t>(target, RemoteAddr(0x1012)).ok());
  EXPECT_THAT(target.failures_not_visited(), testing::ElementsAre(RemoteAddr(0x1030)));
}

TEST(FakeTarget, MembersAreAbsentOnlyWhenThereIsDebugInformation) {
  FakeTarget target;
  EXPECT_EQ(target.member("PyThreadState", "next").error().kind, ErrorKind::no_symbols);
  target.add_member("PyThreadState", "next", {8, 8});
  EXPECT_EQ(target.member("PyThreadState", "next")->offset, 8U);
  EXPECT_EQ(target.member("PyThreadState", "prev").error().kind, ErrorKind::absent_field);
}

TEST(FakeTarget, AllocationsDoNotTouch) {
  FakeTarget target;
  const RemoteAddr first = target.allocate(24), second = target.allocate(8);
  EXPECT_FALSE(read_value<std::uint64_t>(target, first.field(24)).ok());
  EXPECT_TRUE(read_value<std::uint64_t>(target, second).ok());
}

}  // namespace
}  // namespace hang::test
