// Loops: L1 and L3 against N3, and the facts that turn one into the other.
#include <gtest/gtest.h>

#include "shapes/classify.h"

namespace hang::test {
namespace {

using facts::LoopKind;
using verdict::Answer;
using verdict::Confidence;

TEST(L1, OnlyItsOwnWakeupSocketIsRegistered) {
  Patient patient;
  patient.socketpair(6, 7);
  patient.loop(100).own_fds = {5, 6, 7};
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L1");
  EXPECT_EQ(verdict.finding.seed_class, 2);
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
  EXPECT_EQ(verdict.ctrl_c.step, std::nullopt);
  EXPECT_EQ(verdict.finding.blame[0].frame, "consume, app.py:12");
}

// The worker may do a job for the loop: what it does was not read.
TEST(L1, NotBesideAThreadWhoseFramesAreNotThere) {
  Patient patient;
  patient.loop(100);
  patient.python_thread(101, "asyncio_0");
  patient.state(101).frames.clear();
  EXPECT_EQ(classify(patient).finding.id, "L1");
  patient.state(101).frames_complete = false;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "");
  EXPECT_NE(verdict.finding.summary.find("the Python frames of thread 101"), std::string::npos);
}

// A core of a loop that turns without end (L8) catches it there.
TEST(L3, NotInAReadOfItsOwnWakeupPair) {
  Patient patient;
  auto& loop = patient.loop(100);
  loop.in_selector = false;
  loop.user_frame = 0;
  loop.own_fds = {5, 6, 7};
  auto& wait = patient.thread(100).wait;
  wait = {};
  wait.kind = facts::WaitKind::recv;
  wait.name = "recvfrom";
  wait.fd = 9;
  EXPECT_EQ(classify(patient).finding.id, "L3");
  wait.fd = 6;
  EXPECT_NE(classify(patient).finding.id, "L3");
}

TEST(L1, OtherEndForgottenInTheSameProcessIsBlamedByFd) {
  Patient patient;
  patient.socketpair(8, 9);
  patient.loop(100);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L1");
  EXPECT_EQ(verdict.finding.blame[0].fd, 8);
}

// The main task waits for the tasks that it started: theirs are the parks that matter.
TEST(L1, TheTaskBehindATaskGroupIsBlamed) {
  Patient patient;
  auto& loop = patient.loop(100);
  facts::TaskFacts consumer = loop.tasks.front();
  consumer.name = "consumer-0";
  consumer.main = false;
  consumer.frames = {{0x600100, "fetch", "/srv/app/fetch.py", 7, false, 0x2, {}}};
  loop.tasks.push_back(consumer);
  EXPECT_EQ(classify(patient).finding.blame[0].frame, "consume, app.py:12") << "the main task waits for no task";

  loop.tasks.front().waits_for_tasks = true;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.blame[0].frame, "fetch, fetch.py:7");
  EXPECT_NE(verdict.finding.summary.find("task consumer-0, parked at fetch, fetch.py:7"), std::string::npos);

  loop.tasks.back().waits_for_tasks = true;
  EXPECT_EQ(classify(patient).finding.blame[0].frame, "consume, app.py:12") << "all wait for each other";
}

TEST(L1, TrioWritesNothingScheduledAsADay) {
  Patient patient;
  patient.loop(100, LoopKind::trio, 86'400'000);
  EXPECT_EQ(classify(patient).finding.id, "L1");
}

TEST(L1, ATimerMakesItIdle) {
  Patient patient;
  patient.socketpair(8, 9);
  patient.loop(100, LoopKind::asyncio, 3'600'000);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3");
  EXPECT_EQ(verdict.exit_code(), 0);
}

TEST(L1, AListeningSocketMakesItIdle) {
  Patient patient;
  patient.listening(8);
  patient.loop(100);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
}

TEST(L1, AThreadThatCanActAndLeadsToTheLoopMakesItIdle) {
  Patient patient;
  patient.python_thread(101, "producer");
  patient.thread(101).wait.kind = facts::WaitKind::nanosleep;
  patient.thread(101).wait.timeout_ms = 900'000;
  patient.loop(100).wakers = {101};
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L1, AThreadThatCanActButLeadsNowhereLowersTheConfidence) {
  Patient patient;
  patient.python_thread(101, "heartbeat");
  patient.thread(101).wait.kind = facts::WaitKind::nanosleep;
  patient.thread(101).wait.timeout_ms = 900'000;
  patient.loop(100);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
}

TEST(L1, AThreadThatWasNotSearchedLeavesItOpen) {
  Patient patient;
  patient.python_thread(101, "heartbeat");
  patient.thread(101).wait.kind = facts::WaitKind::nanosleep;
  patient.thread(101).wait.timeout_ms = 900'000;
  patient.loop(100).wakers_searched = false;
  EXPECT_EQ(classify(patient).exit_code(), 3);
}

TEST(L1, ABusyPoolWorkerLeavesItOpen) {
  Patient patient;
  patient.python_thread(101, "worker");
  patient.state(101).frames.push_back(
      {0x1, "_worker", "/usr/lib/python3.13/concurrent/futures/thread.py", 92, true, 0x1, {}});
  patient.loop(100);
  EXPECT_EQ(classify(patient).exit_code(), 3);
}

// Another thread serves, but the main thread waits for the end of this one.
TEST(L1, InTheLoopOfAThreadThatTheMainThreadJoins) {
  Patient patient;
  patient.python_thread(101, "starving").python_thread(102, "server");
  patient.loop(101);
  patient.thread(100).wait = endless_futex(0x910000);
  patient.state(100).joins = patient.state(101).thread_id = 0x7f01;
  patient.thread(102).wait = {};
  patient.thread(102).wait.kind = facts::WaitKind::accept;
  patient.thread(102).wait.fd = 9;
  patient.listening(9);
  patient.facts().kernel.fds.front().epoll.clear();
  auto& loop = patient.facts().python->loops.back();
  loop.wakers_searched = true;
  EXPECT_EQ(classify(patient).finding.id, "L1");
  loop.wakers = {102};
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3") << "the server leads to it";
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
  loop.wakers.clear();
  loop.ready = 1;
  EXPECT_NE(classify(patient).finding.id, "N3") << "that the server is idle says nothing of the loop";
}

TEST(L1, AnotherProcessHoldsTheOtherEnd) {
  Patient patient;
  patient.socketpair(8, 9);
  patient.facts().kernel.fds[1].unix_socket->peer_holders = {{4242, 3, "worker", true, true}};
  patient.loop(100);
  EXPECT_NE(classify(patient).finding.id, "L1");
}

TEST(L1, ReadyCallbacksAreAnotherShape) {
  Patient patient;
  patient.loop(100).ready = 3;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "");
  EXPECT_EQ(verdict.gaps.back().would_decide.front(), "L5");
}

TEST(L1, ALoopWithoutTasksWaitsForWork) {
  Patient patient;
  patient.loop(100).tasks.clear();
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L1, SleepForeverIsOnPurpose) {
  Patient patient;
  auto& loop = patient.loop(100, LoopKind::trio, 86'400'000);
  loop.tasks[0].frames.insert(
      loop.tasks[0].frames.begin(),
      {0x3, "sleep_forever", "/usr/lib/python3/dist-packages/trio/_timeouts.py", 57, false, 0x3, {}});
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L1, ATaskOfTriosThatWaitsForSignalsIsIdle) {
  Patient patient;
  auto& loop = patient.loop(100, LoopKind::trio);
  loop.tasks.front().frames.insert(
      loop.tasks.front().frames.begin(),
      {0x610000, "SignalReceiver.__anext__", "/usr/lib/python3/dist-packages/trio/_signals.py", 106, false, 0x2, {}});
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

// What the main task waits for is reached from the loop's callbacks, and those are handlers of signals only.
TEST(L1, AHandlerOfASignalThatLeadsToTheWaitIsIdle) {
  Patient patient;
  auto& loop = patient.loop(100);
  loop.signal_handlers = {15};
  auto& parked = loop.tasks.front().parked;
  parked.on = facts::ParkedOn::event;
  parked.object = 0x650000;
  parked.searched = true;
  EXPECT_EQ(classify(patient).finding.id, "") << "it may be meant to";
  parked.could_end = {0};
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L1, WithoutTheDescriptorsACoreDoesNotSay) {
  Patient patient;
  patient.loop(100);
  patient.facts().kernel.fds_known = false;
  patient.facts().kernel.fds.clear();
  EXPECT_EQ(classify(patient).exit_code(), 3);
}

Patient blocked(std::int64_t timeout_ms) {
  Patient patient;
  auto& loop = patient.loop(100);
  loop.in_selector = false;
  loop.user_frame = 0;
  loop.ready = 2;
  auto& wait = patient.thread(100).wait;
  wait.kind = facts::WaitKind::nanosleep;
  wait.name = "clock_nanosleep";
  wait.timeout_ms = timeout_ms;
  return patient;
}

TEST(L3, BlockingCallWithAFarDate) {
  auto patient = blocked(900'000);
  const auto verdict = classify(patient.watched(550));
  EXPECT_EQ(verdict.finding.id, "L3");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.finding.blame[0].frame, "work, scan.py:88");
}

TEST(L3, AShortSleepIsNoHang) {
  auto patient = blocked(200);
  EXPECT_NE(classify(patient.watched(550)).finding.id, "L3");
}

TEST(L3, ACallThatCameBackIsNoHang) {
  auto patient = blocked(900'000);
  patient.watched(550).facts().watch.threads[0].wait_changed = true;
  EXPECT_NE(classify(patient).finding.id, "L3");
}

TEST(L3, UnderAsyncioRunTheFirstSigintOnlyCancels) {
  auto patient = blocked(900'000);
  auto& signals = patient.facts().python->signals;
  signals.sigint_handler = facts::HandlerKind::partial;
  signals.sigint_handler_name = "asyncio.runners.Runner._on_sigint";
  signals.runner_interrupt_count = 0;
  auto verdict = classify(patient.watched(550));
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::partly);
  signals.runner_interrupt_count = 1;
  verdict = classify(patient);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
}

TEST(L3, InASubinterpreterTheParentsParkIsItsConsequence) {
  Patient patient;
  patient.socketpair(8, 9);
  patient.loop(100);
  patient.interpreter(1).python_thread(101, "subint-driver", 1);
  auto& loop = patient.loop(101, LoopKind::trio);
  loop.in_selector = false;
  loop.user_frame = 0;
  patient.thread(101).wait.kind = facts::WaitKind::futex;
  patient.thread(101).wait.futex = 0x999;
  const auto verdict = classify(patient.watched(550));
  EXPECT_EQ(verdict.finding.id, "L3");
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
}

}  // namespace
}  // namespace hang::test
