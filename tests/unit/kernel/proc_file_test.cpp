#include "kernel/proc_file.h"

#include <gmock/gmock.h>

#include "kernel/thread.h"
#include "own_process.h"

namespace hang::kernel {
namespace {

TEST(ProcFile, NumbersAreWholeOrAbsent) {
  EXPECT_EQ(parse_number<int>("42"), 42);
  EXPECT_EQ(parse_number<std::int64_t>("-1"), -1);
  EXPECT_EQ(parse_number<std::uint64_t>("0xffffffffffffffff", 16), UINT64_MAX);
  EXPECT_EQ(parse_number<std::uint64_t>("10000000000000000", 16), std::nullopt);
  EXPECT_EQ(parse_number<int>(""), std::nullopt);
  EXPECT_EQ(parse_number<int>("4x"), std::nullopt);
  EXPECT_EQ(parse_number<std::uint64_t>("-1"), std::nullopt);
}

TEST(ProcFile, ValueOfFindsWholeKeysOnly) {
  const char* text = "ShdPnd:\t0\nSigPnd:\t0000000000000002\nState:\tS (sleeping)\nLast:";
  EXPECT_EQ(value_of(text, "State"), "S (sleeping)");
  EXPECT_EQ(number_of<std::uint64_t>(text, "SigPnd", 16), 2U);
  EXPECT_EQ(value_of(text, "Pnd"), std::nullopt);
  EXPECT_EQ(value_of(text, "Sig"), std::nullopt);
  EXPECT_EQ(value_of(text, "Last"), "");
}

TEST(ProcFile, CommIsUnescaped) {
  EXPECT_EQ(unescape_comm("a\\nb\\\\c"), "a\nb\\c");
  EXPECT_EQ(unescape_comm("tail\\"), "tail\\");
}

TEST(ProcFile, ReadsMoreThanThePageThatItBeginsWith) {
  // /proc/self/smaps of any process is longer than the scratch buffer's first size.
  const auto dir = ProcDir::open_process(test::own_pid());
  ASSERT_TRUE(dir.ok());
  std::string scratch;
  const auto limited = dir->read("environ", scratch, 8);
  ASSERT_TRUE(limited.ok());
  EXPECT_LE(limited->text.size(), 8U);
  EXPECT_EQ(limited->complete, limited->text.size() < 8);
}

TEST(ProcFile, ListsAllNumbersOverManyBuffers) {
  std::vector<UniqueFd> many;
  for (int i = 0; i < 700; ++i) many.emplace_back(fcntl(0, F_DUPFD_CLOEXEC, 3));
  ASSERT_TRUE(static_cast<bool>(many.back()));
  const auto dir = ProcDir::open_process(test::own_pid());
  ASSERT_TRUE(dir.ok());
  const auto fds = dir->open("fd");
  ASSERT_TRUE(fds.ok());
  std::vector<std::uint64_t> seen;
  NumberedEntries entries(*fds);
  while (const auto number = entries.next()) seen.push_back(*number);
  EXPECT_FALSE(entries.failed());
  for (const auto& fd : many) EXPECT_THAT(seen, testing::Contains(static_cast<std::uint64_t>(fd.get())));
}

TEST(ProcFile, SaysWhyItCannot) {
  const auto absent = ProcDir::open_process(4'194'305);  // above the kernel's largest pid_max
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().kind, ErrorKind::no_such_process);
  EXPECT_EQ(errno_error(EPERM, "x").kind, ErrorKind::no_permission);
  EXPECT_EQ(errno_error(EIO, "read x").kind, ErrorKind::unreadable);
}

}  // namespace
}  // namespace hang::kernel
