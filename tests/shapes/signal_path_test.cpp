// The signal path: which step is the first broken one, and S5 and N1, which are a step of their own.
#include "verdict/signal_path.h"

#include <gtest/gtest.h>

#include "shapes/classify.h"

namespace hang::test {
namespace {

using verdict::Answer;
using verdict::Mark;

const verdict::Step& step(const verdict::Verdict& verdict, int number) {
  for (const auto& step : verdict.ctrl_c.steps)
    if (step.number == number) return step;
  throw std::logic_error("no such step");
}

Patient sleeping() {
  Patient patient;
  sleeps(patient, 100);
  return patient;
}

TEST(SignalPath, EveryStepIsAnsweredForAHealthyProcess) {
  auto patient = sleeping();
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
  ASSERT_EQ(verdict.ctrl_c.steps.size(), 8u);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(verdict.ctrl_c.steps[i].number, i);
}

TEST(S5, IgnoredInTheKernel) {
  auto patient = sleeping();
  patient.facts().kernel.process.sig_ign = 2;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S5");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 1);
}

TEST(S5, BlockedInEveryThread) {
  auto patient = sleeping();
  patient.thread(100).sig_blk = 2;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S5");
  EXPECT_EQ(verdict.ctrl_c.step, 2);
}

TEST(S5, NotWhenOneThreadTakesIt) {
  auto patient = sleeping();
  patient.thread(100).sig_blk = 2;
  patient.python_thread(101, "worker");
  EXPECT_NE(classify(patient).finding.id, "S5");
}

constexpr std::uint64_t kSigint = 2;  // as a mask

// While a thread is in rt_sigtimedwait, what it waits for is not in its mask.
TEST(S5, NotWhenAThreadWaitsForTheSignal) {
  auto patient = sleeping();
  patient.python_thread(101, "watcher");
  patient.thread(100).sig_blk = kSigint;
  patient.thread(100).wait = endless_futex(0x910000);
  auto& wait = patient.thread(101).wait;
  wait = {};
  wait.kind = facts::WaitKind::signal;
  wait.name = "rt_sigtimedwait";
  wait.timeout_ms = -1;
  wait.signals = kSigint;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown) << "the program does with it what it likes";
  EXPECT_EQ(verdict.ctrl_c.step, 2);
  patient.thread(101).wait.signals = 1 << 9;  // SIGUSR1
  patient.thread(101).sig_blk = kSigint;
  EXPECT_EQ(classify(patient).ctrl_c.answer, Answer::no);
}

TEST(S5, NotWhenASignalfdTakesIt) {
  auto patient = sleeping();
  patient.thread(100).sig_blk = kSigint;
  facts::FdFacts fd;
  fd.fd = 4;
  fd.type = facts::FdType::signalfd;
  fd.signals = kSigint;
  patient.facts().kernel.fds.push_back(fd);
  EXPECT_NE(classify(patient).finding.id, "S5");
  EXPECT_EQ(classify(patient).ctrl_c.answer, Answer::unknown);
  patient.facts().kernel.fds.back().signals = 1 << 9;
  EXPECT_EQ(classify(patient).finding.id, "S5");
}

// The C library's system() ignores SIGINT and blocks SIGCHLD as long as the shell runs.
TEST(S5, NotInsideOfSystem) {
  Patient patient;
  patient.facts().kernel.process.sig_ign = kSigint;
  auto& thread = patient.thread(100);
  thread.wait = {};
  thread.wait.kind = facts::WaitKind::wait_child;
  thread.wait.name = "wait4";
  thread.wait.pid = 4711;
  thread.sig_blk = 1 << 16;
  EXPECT_NE(classify(patient).finding.id, "S5");
  EXPECT_EQ(classify(patient).ctrl_c.step, 1);
  thread.sig_blk = 0;
  EXPECT_EQ(classify(patient).finding.id, "S5");
}

TEST(SignalPath, NativeLocksAreNotInterrupted) {
  Patient patient;
  patient.python_thread(101, "owner");
  sleeps(patient, 101);
  patient.thread(100).wait = endless_futex(0x123456);
  EXPECT_EQ(classify(patient).ctrl_c.answer, Answer::yes) << "a lock of Python's";
  patient.facts().native_locks.push_back({0x123456, "pthread mutex", 101, true, "owner"});
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

TEST(SignalPath, AMainThreadWithoutPythonOrThatWasNotReadIsUnknown) {
  auto patient = sleeping();
  auto other = patient;
  patient.state(100).frames.clear();
  EXPECT_EQ(classify(patient).ctrl_c.answer, Answer::unknown);
  other.facts().python->main_tid = 77;
  EXPECT_NE(classify(other).ctrl_c.answer, Answer::yes);
}

TEST(S5, IsNotTheCauseOfAStarvedMain) {
  Patient patient;
  patient.interpreter(1).python_thread(101, "driver", 1).hog(101, 1).wants_gil(100).watched(550);
  patient.facts().kernel.process.sig_ign = 2;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S1");
  EXPECT_EQ(verdict.ctrl_c.step, 1);
  ASSERT_FALSE(verdict.others.empty());
  EXPECT_EQ(verdict.others[0].id, "S5");
}

TEST(N1, StoppedBeatsEverything) {
  auto patient = sleeping();
  patient.facts().kernel.process.state = 'T';
  patient.facts().kernel.process.sig_ign = 2;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N1");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 0);
}

TEST(N1, NotWhenOurOwnDebuggerHoldsIt) {
  auto patient = sleeping();
  patient.facts().kernel.process.state = 't';
  patient.facts().target.stopped_by_host = true;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(SignalPath, FullWakeupPairIsMarkedAndCounted) {
  Patient patient;
  patient.interpreter(1)
      .python_thread(101, "driver", 1)
      .hog(101, 1)
      .wants_gil(100)
      .tripped()
      .watched(550)
      .socketpair(6, 7);
  patient.facts().python->signals.wakeup_fd = 7;
  patient.facts().kernel.fds[1].unix_socket->rqueue = 6;
  patient.facts().kernel.fds[2].unix_socket->wmem_alloc = 4608;
  patient.facts().kernel.fds[2].unix_socket->sndbuf = 4608;
  const auto verdict = classify(patient);
  EXPECT_EQ(step(verdict, 4).mark, Mark::full);
  EXPECT_EQ(step(verdict, 5).mark, Mark::dead);
  const auto wakeup = verdict::wakeup_state(patient.facts());
  EXPECT_EQ(wakeup.unread, 6u);
  EXPECT_EQ(wakeup.reader_fd, 6);
  EXPECT_EQ(wakeup.room, 0u);
}

TEST(SignalPath, RoomIsCountedInWritesNotInBytesOfMemory) {
  Patient patient;
  patient.socketpair(6, 7).facts().python->signals.wakeup_fd = 7;
  patient.facts().kernel.fds[2].unix_socket->wmem_alloc = 768 * 2;
  patient.facts().kernel.fds[2].unix_socket->sndbuf = 4608;
  const auto wakeup = verdict::wakeup_state(patient.facts());
  EXPECT_EQ(wakeup.full, false);
  EXPECT_EQ(wakeup.room, 4u);
}

TEST(SignalPath, MainInsideASubinterpreterDiesAtStepFive) {
  auto patient = sleeping();
  patient.interpreter(1);
  auto nested = patient.state(100);
  nested.address += 1;
  nested.interpreter = 1;
  patient.facts().python->thread_states.push_back(nested);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

TEST(SignalPath, AHandlerOfTheProgramIsUnknown) {
  auto patient = sleeping();
  auto& signals = patient.facts().python->signals;
  signals.sigint_handler = facts::HandlerKind::function;
  signals.sigint_handler_name = "app.on_sigint";
  signals.sigint_handler_file = "/srv/app/app.py";
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown);
  EXPECT_EQ(verdict.ctrl_c.step, 6);
}

TEST(SignalPath, AThreadThatIsNoDaemonHoldsTheExitBack) {
  auto patient = sleeping();
  patient.python_thread(101, "worker").state(101).daemon = false;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::partly);
  EXPECT_EQ(verdict.ctrl_c.step, 7);
}

}  // namespace
}  // namespace hang::test
