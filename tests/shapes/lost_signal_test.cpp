// S2, S3 and S4: the signal came, and something between the C handler and Python's keeps it. Each beside what it must
// not be taken for.
#include <gtest/gtest.h>

#include "shapes/classify.h"

namespace hang::test {
namespace {

using verdict::Answer;
using verdict::Confidence;

// The main thread runs interpreter 1 on top of its own frames.
Patient inside_subinterpreter() {
  Patient patient;
  patient.interpreter(1);
  facts::ThreadStateFacts state = patient.state(100);
  state.address += 0x10000;
  state.interpreter = 1;
  state.frames = {{0x700000, "serve", "/srv/app/guest.py", 7, true, 0x1, {}}};
  patient.facts().python->thread_states.push_back(state);
  sleeps(patient, 100);
  return patient;
}

TEST(S2, MainThreadInsideASubinterpreter) {
  auto patient = inside_subinterpreter();
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S2");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
  EXPECT_EQ(verdict.finding.blame[0].frame, "serve, guest.py:7");
}

TEST(S2, CertainOnceASignalWaits) {
  auto patient = inside_subinterpreter();
  patient.tripped();
  EXPECT_EQ(classify(patient).finding.confidence, Confidence::certain);
}

TEST(S2, NotWhenItReturnsSoon) {
  auto patient = inside_subinterpreter();
  patient.thread(100).wait.timeout_ms = 20;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(S2, NotWhenTheSubinterpreterRunsOnAThreadOfItsOwn) {
  Patient patient;
  patient.interpreter(1).python_thread(101, "driver", 1);
  EXPECT_NE(classify(patient).finding.id, "S2");
}

TEST(S2, NotWhenTheInterpreterIsBeingClosed) {
  auto patient = inside_subinterpreter();
  for (auto& interpreter : patient.facts().python->interpreters)
    if (!interpreter.is_main) interpreter.finalizing = true;
  patient.thread(100).wait.timeout_ms = -1;
  patient.tripped();
  EXPECT_NE(classify(patient).finding.id, "S2");
}

TEST(S2, NotWhenTheMainThreadWaitsForTheGilOfAHog) {
  auto patient = inside_subinterpreter();
  patient.python_thread(102, "hog").hog(102, 0).wants_gil(100).tripped().watched(550);
  EXPECT_NE(classify(patient).finding.id, "S2");
}

TEST(S3, TrippedAndMainAsleep) {
  Patient patient;
  patient.python_thread(101, "worker").tripped().watched(550);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S3");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes) << "the next one goes to the main thread";
}

TEST(S3, OneSampleMayBeTheMomentBeforeItWakes) {
  Patient patient;
  patient.python_thread(101, "worker").tripped();
  EXPECT_EQ(classify(patient).finding.confidence, Confidence::likely);
}

TEST(S3, EverySignalGoesToAnotherThread) {
  Patient patient;
  patient.python_thread(101, "worker").tripped().watched(550);
  patient.thread(100).sig_blk = 2;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S3");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

// It handles what came whenever it wakes, so Ctrl-C does get through.
TEST(S3, NotWhenMainBlocksSignalsButWakesInAMoment) {
  Patient patient;
  patient.python_thread(101, "worker");
  sleeps(patient, 100, 100);
  patient.thread(100).sig_blk = 2;
  EXPECT_EQ(classify(patient).ctrl_c.answer, Answer::yes);
  patient.tripped();
  EXPECT_NE(classify(patient).finding.id, "S3");
}

TEST(S3, AFutexMayBeANativeLockThatNoSignalEnds) {
  Patient patient;
  patient.python_thread(101, "worker").tripped().watched(550);
  patient.thread(100).wait = patient.thread(101).wait;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S3");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

TEST(S3, CertainByOneSampleOfAProcessAtRest) {
  Patient patient;
  patient.python_thread(101, "worker").tripped();
  patient.facts().watch.at_rest = true;
  EXPECT_EQ(classify(patient).finding.confidence, Confidence::certain);
}

TEST(S3, NotWhenNothingIsTripped) {
  Patient patient;
  patient.python_thread(101, "worker").watched(550);
  EXPECT_NE(classify(patient).finding.id, "S3");
}

TEST(S3, NotWhenMainWaitsForTheGil) {
  Patient patient;
  patient.python_thread(101, "hog").hog(101, 0).wants_gil(100).tripped().watched(550);
  EXPECT_NE(classify(patient).finding.id, "S3");
}

TEST(S3, NotWhenMainSleepsWithTheGilInHand) {
  Patient patient;
  patient.tripped().watched(550);
  patient.gil().locked = true;
  patient.gil().last_holder = patient.state(100).address;
  EXPECT_NE(classify(patient).finding.id, "S3");
}

TEST(S3, NotWhenMainRuns) {
  Patient patient;
  patient.tripped();
  patient.thread(100).wait = {};
  patient.thread(100).wait.kind = facts::WaitKind::none;
  EXPECT_NE(classify(patient).finding.id, "S3");
}

// A loop with asyncio's handler for SIGINT and the pair of sockets that belongs to it.
Patient with_handler() {
  Patient patient;
  patient.listening(9);
  patient.socketpair(6, 7);
  auto& loop = patient.loop(100);
  loop.signal_handlers = {2};
  loop.wakeup_reader = 6;
  loop.wakeup_writer = 7;
  auto& signals = patient.facts().python->signals;
  signals.wakeup_fd = 7;
  signals.sigint_handler = facts::HandlerKind::function;
  signals.sigint_handler_name = "asyncio.unix_events._sighandler_noop";
  return patient;
}

TEST(S4, WakeupFdReset) {
  auto patient = with_handler();
  patient.facts().python->signals.wakeup_fd = -1;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S4");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 4);
}

TEST(S4, WakeupFdOfSomebodyElse) {
  auto patient = with_handler();
  patient.facts().python->signals.wakeup_fd = 12;
  EXPECT_EQ(classify(patient).finding.id, "S4");
}

TEST(S4, TheNumberIsAnotherFileNow) {
  auto patient = with_handler();
  for (auto& fd : patient.facts().kernel.fds)
    if (fd.fd == 7) fd.unix_socket->peer_inode = 4711;
  EXPECT_EQ(classify(patient).finding.id, "S4");
}

TEST(S4, NotWhenTheByteArrives) {
  auto patient = with_handler();
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3");
  EXPECT_NE(verdict.ctrl_c.answer, Answer::no);
}

TEST(S4, NotWhenPythonsHandlerActsByItself) {
  auto patient = with_handler();
  auto& signals = patient.facts().python->signals;
  signals.wakeup_fd = -1;
  signals.sigint_handler = facts::HandlerKind::method;
  signals.sigint_handler_name = "asyncio.runners.Runner._on_sigint";
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(S4, NotWhenTheHandlerIsForAnotherSignal) {
  auto patient = with_handler();
  auto& signals = patient.facts().python->signals;
  signals.wakeup_fd = -1;
  signals.sigint_handler = facts::HandlerKind::default_int_handler;
  signals.sigint_handler_name = "_signal.default_int_handler";
  patient.facts().python->loops.front().signal_handlers = {15};
  EXPECT_NE(classify(patient).finding.id, "S4");
}

TEST(S4, NotWhenTheWakeupFdWasNotRead) {
  auto patient = with_handler();
  patient.facts().python->signals.wakeup_fd = std::nullopt;
  EXPECT_NE(classify(patient).finding.id, "S4");
}

}  // namespace
}  // namespace hang::test
