// build/bin/hang as a program: streams and exit status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/command.h"

namespace hang::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Cli, PrintsHelpToStdout) {
  auto result = run_command({HANG_BINARY, "help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("hang COMMAND -p PID"));
  EXPECT_THAT(result.err, IsEmpty());
}

TEST(Cli, RefusesOnStderr) {
  auto result = run_command({HANG_BINARY, "classify", "--bogus"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, StartsWith("hang: "));
}

// 4194304 is PID_MAX_LIMIT: pids are smaller.
TEST(Cli, NamesAPidThatIsNotThere) {
  auto result = run_command({HANG_BINARY, "classify", "4194304"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, StartsWith("hang: "));
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
}

TEST(Cli, HasNoColourInAPipe) {
  EXPECT_THAT(run_command({HANG_BINARY, "help", "classify"}).out, Not(HasSubstr("\033")));
}

TEST(Cli, SaysWhenItsOutputDoesNotGetOut) {
  auto result = run_command({"/bin/sh", "-c", "exec \"$0\" help > /dev/full", HANG_BINARY});
  EXPECT_EQ(result.exit_code, 2);
}

}  // namespace
}  // namespace hang::test
