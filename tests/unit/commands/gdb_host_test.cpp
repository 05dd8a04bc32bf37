// build/lib/hang_gdb.py in a real gdb.
#include <filesystem>
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

// What gdb prints between the answers to the commands.
constexpr const char* kMark = "---\n";

class InGdb : public ::testing::Test {
 protected:
  void SetUp() override {
    if (find_program("gdb").empty()) GTEST_SKIP() << "no gdb in PATH";
  }

  // Runs `commands` in a batch gdb that has the script loaded. answers_[i] is what it printed at commands[i].
  CommandResult gdb(const std::vector<std::string>& commands, const std::vector<std::string>& program = {}) {
    std::vector<std::string> words{"gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off"};
    words.insert(words.end(), {"-ex", std::string("source ") + HANG_GDB_SCRIPT});
    for (const auto& command : commands) words.insert(words.end(), {"-ex", "echo ---\\n", "-ex", command});
    if (!program.empty()) words.emplace_back("--args");
    words.insert(words.end(), program.begin(), program.end());
    auto result = run_command(words);
    answers_.clear();
    for (auto at = result.out.find(kMark); at != std::string::npos;) {
      at += std::string(kMark).size();
      const auto next = result.out.find(kMark, at);
      answers_.push_back(result.out.substr(at, next - at));
      at = next;
    }
    answers_.resize(commands.size());
    return result;
  }

  std::vector<std::string> answers_;
};

TEST_F(InGdb, PrintsHelpInTheSameWords) {
  const auto result = gdb({"hang help classify", "help hang classify", "hang", "help hang"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(answers_[0], HasSubstr("--save-facts FILE"));
  EXPECT_THAT(answers_[1], HasSubstr("--save-facts FILE"));
  EXPECT_THAT(answers_[2], HasSubstr("hang help COMMAND"));
  EXPECT_THAT(answers_[3], HasSubstr("hang classify -- "));
  EXPECT_THAT(result.err, IsEmpty());
  gdb({"set width 78", "hang help classify", "help hang classify"});
  EXPECT_EQ(answers_[1], answers_[2]);
}

TEST_F(InGdb, CompletesCommandsAndOptions) {
  const auto result =
      gdb({"complete hang class", "complete hang classify --f", "complete hang gil -", "complete hang gil --q"});
  EXPECT_EQ(answers_[0], "hang classify\n") << result.err;
  EXPECT_EQ(answers_[1], "hang classify --facts\nhang classify --format\n");
  EXPECT_THAT(answers_[2], HasSubstr("hang gil --verbose\n"));
  EXPECT_THAT(answers_[2], HasSubstr("hang gil -v\n"));
  EXPECT_EQ(answers_[3], "");
}

TEST_F(InGdb, SaysWhatToDoWithoutAProcess) {
  const auto result = gdb({"hang classify"});
  EXPECT_EQ(result.err, "hang: no process: attach to one (attach PID) or load a core (core-file FILE)\n");
  EXPECT_EQ(answers_[0], "");
}

TEST_F(InGdb, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(gdb({"hang classify -p 1"}).err, HasSubstr("hang: -p is for the command line"));
  EXPECT_THAT(gdb({"hang classify --bogus"}).err, HasSubstr("--bogus"));
  EXPECT_THAT(gdb({"hang clasify"}).err, HasSubstr("did you mean \"classify\""));
}

TEST_F(InGdb, StopsTheScriptThatItFailsIn) {
  const auto result =
      gdb({"python\ntry: gdb.execute('hang classify')\nexcept gdb.error as error: print('caught', error)\nend",
           "python print(len(gdb.execute('hang help', to_string=True)) > 100)"});
  EXPECT_THAT(answers_[0], HasSubstr("caught hang: no process")) << result.err;
  EXPECT_EQ(answers_[1], "True\n");
}

// Nothing of the script is left among the names of __main__, where the user's own are.
TEST_F(InGdb, LeavesMainAlone) {
  const auto result =
      gdb({"python print([name for name in globals() if 'hang' in name or name in ('ctypes', 'os', 'run', 'write')])"});
  EXPECT_THAT(answers_[0], HasSubstr("[]")) << result.err;
}

std::vector<std::string> two_threads() {
  return {newest_here()->executable, "-c",
          "import os, signal, threading; inside = threading.Event(); "
          "wait = lambda: (inside.set(), threading.Event().wait()); "
          "threading.Thread(target=wait, daemon=True).start(); inside.wait(); os.kill(os.getpid(), signal.SIGSTOP)"};
}

// The thread and frame that the user selected, and the settings; on a process that the command reads as far as it can.
TEST_F(InGdb, LeavesTheSelectionAlone) {
  if (newest_here() == nullptr) GTEST_SKIP() << "no supported CPython on this machine";
  const std::string where =
      "python print(gdb.selected_thread().num, gdb.selected_frame().level(), gdb.selected_frame().pc(), "
      "gdb.parameter('pagination'))";
  for (const char* frame : {"frame 0", "frame 2"}) {
    const auto result =
        gdb({"set pagination on", "run", "thread 2", frame, where, "hang threads", where, "kill"}, two_threads());
    EXPECT_THAT(answers_[4], ::testing::StartsWith("2 ")) << result.out << result.err;
    EXPECT_EQ(answers_[6], answers_[4]);
    EXPECT_THAT(answers_[5], HasSubstr("futex")) << result.err;
  }
}

TEST_F(InGdb, RefusesARunningProcess) {
  if (newest_here() == nullptr) GTEST_SKIP() << "no supported CPython on this machine";
  const auto result = gdb({"run", "continue&", "hang classify", "kill"}, two_threads());
  EXPECT_THAT(result.err, HasSubstr("hang: the process is running: stop it first (interrupt)\n")) << result.out;
}

// Where gdb has a breakpoint, it is the program's own instruction that is read, and what is in memory that is not.
TEST_F(InGdb, ReadsWhatTheProgramHasNotWhatGdbPutThere) {
  if (newest_here() == nullptr) GTEST_SKIP() << "no supported CPython on this machine";
  const auto result = gdb(
      {"set breakpoint always-inserted on", "run", "break PyEval_RestoreThread", "hang gil", "kill"}, two_threads());
  EXPECT_THAT(answers_[3], HasSubstr("GIL")) << result.out << result.err;
}

// Replaces a method of the script's session by one that does `instead`, then the same.
std::string with_method(const std::string& name, const std::string& instead) {
  return "python\nimport os, signal, hang_gdb_host\noriginal = hang_gdb_host.Session." + name +
         "\ndef method(*arguments):\n    " + instead + "\n    return original(*arguments)\nhang_gdb_host.Session." +
         name + " = method\nend";
}

TEST_F(InGdb, EndsCleanlyAtCtrlC) {
  if (newest_here() == nullptr) GTEST_SKIP() << "no supported CPython on this machine";
  const auto result = gdb({"run", with_method("read", "os.kill(os.getpid(), signal.SIGINT)"), "hang gil",
                           "python hang_gdb_host.Session.read = original", "hang gil", "kill"},
                          two_threads());
  EXPECT_THAT(result.err, HasSubstr("hang: interrupted\n"));
  EXPECT_EQ(answers_[2], "") << result.err;
  EXPECT_THAT(answers_[4], HasSubstr("GIL 0")) << result.err;
}

// An error in the script itself is said, and is no answer about the process.
TEST_F(InGdb, SaysWhatWentWrongInTheScript) {
  if (newest_here() == nullptr) GTEST_SKIP() << "no supported CPython on this machine";
  const auto result =
      gdb({"run", with_method("threads", "raise AttributeError('planted')"), "hang gil", "kill"}, two_threads());
  EXPECT_THAT(result.err, HasSubstr("hang: hang_gdb_host.py: AttributeError: planted\n"));
  EXPECT_THAT(answers_[2], HasSubstr("GIL 0")) << result.err;
}

}  // namespace
}  // namespace hang::test
