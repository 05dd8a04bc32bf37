// The re-reads, and a GIL that is held.
#include <chrono>
#include <fstream>

#include "kernel/write_trap.h"
#include "live_python.h"

namespace hang::cpython::test {
namespace {

using Clock = std::chrono::steady_clock;

class Watch : public OnEveryPython {
 protected:
  // Calls `look` until it is true, for at most ten seconds.
  static bool eventually(const std::function<bool()>& look) {
    for (const auto end = Clock::now() + std::chrono::seconds(10); Clock::now() < end;)
      if (look()) return true;
    return false;
  }
  // The number of the system call that the main thread of `pid` is in, or "running".
  static std::string system_call(std::uint64_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/syscall");
    std::string word;
    file >> word;
    return word;
  }
  LivePython live_;
};
INSTANTIATE_ON_EVERY_PYTHON(Watch);

TEST_P(Watch, ParkedThreadDoesNotMove) {
  live_.run_code(GetParam(), "import os\nr, w = os.pipe()\nprint('READY', flush=True)\nos.read(r, 1)");
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(eventually([&] { return system_call(live_.process->pid()) == "0"; })) << "not in read()";
  live_.read();
  ASSERT_FALSE(HasFatalFailure());
  const std::uint64_t tstate = live_.facts().thread_states.at(0).address;
  const auto before = live_.python->progress(tstate);
  ASSERT_OK(before);
  for (int i = 0; i < 100; ++i) {
    auto now = live_.python->progress(tstate);
    ASSERT_OK(now);
    EXPECT_EQ(*now, *before);
  }
  EXPECT_NE(before->frame, 0U);
}

TEST_P(Watch, PythonLoopMoves) {
  live_.run_code(GetParam(), "print('READY', flush=True)\nx = 0\ndef f():\n    i = 0\n    while True: i += 1\nf()");
  ASSERT_FALSE(HasFatalFailure());
  live_.read();
  ASSERT_FALSE(HasFatalFailure());
  const std::uint64_t tstate = live_.facts().thread_states.at(0).address;
  EXPECT_TRUE(eventually([&] { return live_.python->progress(tstate).ok(); }));
  std::optional<Progress> first;
  EXPECT_TRUE(eventually([&] {
    auto now = live_.python->progress(tstate);
    if (!now) return false;
    if (!first) first = *now;
    return now->locals != first->locals;
  }));
}

// A loop of one instruction never stands anywhere else, but executes it again and again. A C call does not.
TEST_P(Watch, EveryInstructionIsWrittenDown) {
  live_.run_code(GetParam(), "print('READY', flush=True)\nwhile True: pass");
  ASSERT_FALSE(HasFatalFailure());
  live_.read();
  ASSERT_FALSE(HasFatalFailure());
  std::optional<kernel::WriteTrap> trap;
  ASSERT_TRUE(eventually([&] {  // what printed READY may not have returned yet
    auto word = live_.python->instruction_word(live_.facts().thread_states.at(0).address);
    if (!word) return false;
    auto started = kernel::WriteTrap::start(live_.process->pid(), word->raw());
    if (started) trap.emplace(std::move(*started));
    return true;
  }));
  if (!trap) GTEST_SKIP() << "no hardware breakpoints here";
  EXPECT_TRUE(eventually([&] { return trap->sprung(); }));
}

TEST_P(Watch, OneCallWritesNoInstruction) {
  live_.run_code(GetParam(),
                 "import re\n"
                 "pattern = re.compile('(a+)+$')\n"
                 "print('READY', flush=True)\n"
                 "match = pattern.match\n"
                 "while True: match('a' * 64 + 'b')\n");
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(eventually([&] {
    live_.read();
    const auto& state = live_.facts().thread_states.at(0);
    return !state.frames.empty() && state.frames[0].line == 5 && state.at_call == true;
  }));
  const std::uint64_t tstate = live_.facts().thread_states.at(0).address;
  // It may have been read just before the call.
  ASSERT_TRUE(eventually([&] {
    auto moves = live_.python->instruction_moves(tstate, std::chrono::milliseconds(20));
    return moves.ok() && !*moves;
  }));
  auto word = live_.python->instruction_word(tstate);
  ASSERT_OK(word);
  const auto trap = kernel::WriteTrap::start(live_.process->pid(), word->raw());
  if (!trap) GTEST_SKIP() << "no hardware breakpoints here";
  auto moves = live_.python->instruction_moves(tstate, std::chrono::milliseconds(50));
  ASSERT_OK(moves);
  EXPECT_FALSE(*moves);
  EXPECT_FALSE(trap->sprung());
}

TEST_P(Watch, HolderOfTheGil) {
  live_.run_code(GetParam(),
                 "import re, threading\n"
                 "pattern = re.compile('(a+)+$')\n"
                 "def hog():\n"
                 "    print(f'READY hog={threading.get_native_id()}', flush=True)\n"
                 "    pattern.match('a' * 64 + 'b')\n"
                 "threading.Thread(target=hog, name='hog').start()\n"
                 "while True: pass\n");
  ASSERT_FALSE(HasFatalFailure());
  const std::uint64_t hog = live_.said.at("hog");
  // On the line of the match nobody else gets a turn any more: the eval loop looks for requests after calls only.
  const facts::ThreadStateFacts* holder = nullptr;
  ASSERT_TRUE(eventually([&] {
    live_.read();
    holder = live_.snapshot.thread_state(live_.facts().gils.at(0).last_holder.value_or(0));
    return holder != nullptr && holder->tid == hog && !holder->frames.empty() && holder->frames[0].line == 5;
  }));
  live_.read();  // the GIL was read before the frames
  const facts::GilFacts gil = live_.facts().gils.at(0);
  holder = live_.snapshot.thread_state(gil.last_holder.value_or(0));
  ASSERT_NE(holder, nullptr);
  EXPECT_EQ(gil.locked, true);
  EXPECT_EQ(gil.drop_request_seen_by_holder, true);
  EXPECT_EQ(holder->name, "hog");
  EXPECT_EQ(holder->attached, true);
  for (int i = 0; i < 100; ++i) {
    auto words = live_.python->gil_words(gil);
    ASSERT_OK(words);
    EXPECT_TRUE(words->locked);
    EXPECT_EQ(words->last_holder, *gil.last_holder);
    EXPECT_EQ(words->switch_number, *gil.switch_number);
  }
  // The main thread wants a turn and says so where the holder would see it.
  EXPECT_TRUE(eventually([&] {
    live_.read();
    const auto* now = live_.snapshot.thread_state(*gil.last_holder);
    return now != nullptr && now->drop_request == true;
  }));
  const auto* main = live_.state(live_.process->pid());
  ASSERT_NE(main, nullptr);
  EXPECT_EQ(main->attached, false);
}

// Up to 3.12 a waiter of the main interpreter sets the drop request where a holder in another one does not look, and
// the holder's thread state was made by another thread than the one that runs it.
TEST_P(Watch, HolderInASubinterpreter) {
  live_.run_code(GetParam(),
                 "import sys, threading\n"
                 "if sys.version_info >= (3, 13):\n"
                 "    import _interpreters as interpreters\n"
                 "    legacy, run = interpreters.create('legacy'), interpreters.exec\n"
                 "else:\n"
                 "    import _xxsubinterpreters as interpreters\n"
                 "    legacy, run = interpreters.create(isolated=False), interpreters.run_string\n"
                 "def hog():\n"
                 "    print(f'READY hog={threading.get_native_id()}', flush=True)\n"
                 "    run(legacy, \"import re\\npattern = re.compile('(a+)+$')\\npattern.match('a' * 64 + 'b')\")\n"
                 "threading.Thread(target=hog, name='hog').start()\n"
                 "import time\n"
                 "time.sleep(1000)\n");
  ASSERT_FALSE(HasFatalFailure());
  const facts::ThreadStateFacts* holder = nullptr;
  ASSERT_TRUE(eventually([&] {
    live_.read();
    holder = live_.snapshot.thread_state(live_.facts().gils.at(0).last_holder.value_or(0));
    return holder != nullptr && holder->interpreter != 0 && !holder->frames.empty() &&
           holder->frames[0].function == "<module>" && holder->frames[0].line == 3;
  }));
  live_.read();  // the GIL was read before the frames
  holder = live_.snapshot.thread_state(live_.facts().gils.at(0).last_holder.value_or(0));
  ASSERT_NE(holder, nullptr);
  EXPECT_EQ(holder->tid, live_.said.at("hog"));
  EXPECT_NE(holder->interpreter, 0);
  EXPECT_EQ(live_.facts().gils.at(0).locked, true);
  EXPECT_EQ(live_.facts().gils.at(0).drop_request_seen_by_holder, GetParam().minor >= 13);
}

}  // namespace
}  // namespace hang::cpython::test
