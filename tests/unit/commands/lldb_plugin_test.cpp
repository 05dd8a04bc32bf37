// build/lib/libhang_lldb.so: its symbols, and its behaviour in a real lldb.
#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "e2e/command.h"
#include "support/pythons.h"

namespace hang::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kLldb = HANG_LLDB_PROGRAM;

// Runs `commands` in a batch lldb that has the plugin loaded.
CommandResult lldb(const std::vector<std::string>& commands, const std::vector<std::string>& program = {}) {
  std::vector<std::string> words{kLldb, "-b", "--no-lldbinit", "-o", std::string("plugin load ") + HANG_LLDB_PLUGIN};
  for (const auto& command : commands) words.insert(words.end(), {"-o", command});
  if (!program.empty()) words.push_back("--");
  words.insert(words.end(), program.begin(), program.end());
  return run_command(words);
}

// What lldb printed after echoing `command`, up to its next prompt.
std::string answer_to(const std::string& command, const std::string& out) {
  const std::string prompt = "(lldb) ";
  auto at = out.find(prompt + command + "\n");
  if (at == std::string::npos) return "lldb never got to: " + command + "\n" + out;
  at += prompt.size() + command.size() + 1;
  return out.substr(at, out.find(prompt, at) - at);
}

// The line that has `words`: lldb's own events print between the answers whenever they come. "" if there is none.
std::string line_with(const std::string& words, const std::string& text) {
  const auto at = text.find(words);
  if (at == std::string::npos) return "";
  const auto begin = text.rfind('\n', at) + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

TEST(LldbPlugin, ExportsItsEntryPointOnly) {
  auto result = run_command({HANG_NM, "-D", "-C", "--defined-only", HANG_LLDB_PLUGIN});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, ::testing::EndsWith(" T lldb::PluginInitialize(lldb::SBDebugger)\n"));
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
}

TEST(LldbPlugin, IsNotLinkedAgainstLldb) {
  auto result = run_command({HANG_READELF, "-d", "-W", HANG_LLDB_PLUGIN});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("(NEEDED)"));
  EXPECT_THAT(result.out, Not(HasSubstr("liblldb.")));
  EXPECT_THAT(result.out, Not(HasSubstr("libpython")));
}

class InLldb : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kLldb.empty()) GTEST_SKIP() << "no lldb found by CMake (HANG_LLDB_PROGRAM)";
  }
};

TEST_F(InLldb, PrintsHelp) {
  auto result = lldb({"hang help", "help hang classify"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(answer_to("hang help", result.out), HasSubstr("classify"));
  EXPECT_THAT(answer_to("help hang classify", result.out), HasSubstr("--save-facts FILE"));
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(InLldb, SaysWhatToDoWithoutAProcess) {
  auto result = lldb({"hang classify"});
  EXPECT_NE(result.exit_code, 0);  // -b stops at a command that failed
  EXPECT_EQ(result.err,
            "error: hang: no process: attach to one (process attach -p PID) or load a core (target create -c FILE)\n");
}

TEST_F(InLldb, RefusesAPid) {
  auto result = lldb({"hang classify -p 1"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("error: hang: -p is for the command line"));
}

// The thread and frame that the user selected, on a process that the command reads as far as it can.
TEST_F(InLldb, LeavesTheSelectionAlone) {
  if (newest_here() == nullptr) GTEST_SKIP() << "no supported CPython on this machine";
  const std::string program =
      "import os, signal, threading; inside = threading.Event(); "
      "wait = lambda: (inside.set(), threading.Event().wait()); "
      "threading.Thread(target=wait, daemon=True).start(); inside.wait(); os.kill(os.getpid(), signal.SIGSTOP)";
  auto result = lldb({"process launch", "thread select 2", "frame select 1", "thread info", "frame info",
                      "hang threads", "thread info", "frame info", "process kill"},
                     {newest_here()->executable, "-c", program});
  const std::string hang = "(lldb) hang threads\n";
  const auto at = result.out.find(hang);
  ASSERT_NE(at, std::string::npos) << result.out << result.err;
  EXPECT_THAT(answer_to("hang threads", result.out), Not(IsEmpty())) << result.err;
  const auto before = result.out.substr(0, at), after = result.out.substr(at);
  const auto frame = line_with("frame #1:", answer_to("frame info", before));
  ASSERT_THAT(frame, Not(IsEmpty())) << result.out;
  EXPECT_EQ(line_with("frame #1:", answer_to("frame info", after)), frame);
  EXPECT_EQ(line_with("thread #2: tid", answer_to("thread info", after)),
            line_with("thread #2: tid", answer_to("thread info", before)));
}

}  // namespace
}  // namespace hang::test
