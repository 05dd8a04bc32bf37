// Loops in trouble that are not just waiting: L4, L5, L6, L7 and L8, each against what it must not be taken for.
#include <gtest/gtest.h>

#include "shapes/classify.h"

namespace hang::test {
namespace {

using facts::AwaitedFacts;
using facts::LoopFacts;
using facts::Provider;
using verdict::Answer;
using verdict::Confidence;

constexpr std::uint64_t kFuture = 0xf100, kPool = 0xf200, kTask = 0xf300;

facts::QueuedFacts queued_call() {
  facts::QueuedFacts queued;
  queued.object = 0xf900;
  queued.what = "app.answer";
  queued.file = "/srv/app/app.py";
  queued.line = 31;
  return queued;
}

// --- L5 ---

LoopFacts& unwoken(Patient& patient, std::int64_t timeout_ms = -1) {
  patient.socketpair(6, 7);
  auto& loop = patient.loop(100, facts::LoopKind::asyncio, timeout_ms);
  loop.own_fds = {5, 6, 7};
  loop.wakeup_reader = 6;
  loop.wakeup_writer = 7;
  loop.ready = 1;
  loop.queued = {queued_call()};
  return loop;
}

TEST(L5, WorkIsQueuedAndTheLoopSleepsOn) {
  Patient patient;
  unwoken(patient);
  patient.watched(50);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L5");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.finding.blame[0].frame, "answer, app.py:31");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
}

TEST(L5, TheStepOfATaskIsNamedByTheTask) {
  Patient patient;
  auto& loop = unwoken(patient);
  loop.tasks.front().object = kTask;
  loop.queued.front() = {};
  loop.queued.front().task = kTask;
  patient.watched(50);
  EXPECT_EQ(classify(patient).finding.blame[0].frame, "consume, app.py:12");
}

TEST(L5, ATimerAnHourAwayDoesNotExcuseIt) {
  Patient patient;
  unwoken(patient, 3'600'000);
  patient.watched(50);
  EXPECT_EQ(classify(patient).finding.id, "L5");
}

TEST(L5, AByteOnItsWayWakesIt) {
  Patient patient;
  unwoken(patient);
  for (auto& fd : patient.facts().kernel.fds)
    if (fd.fd == 6) fd.unix_socket->rqueue = 1;
  patient.watched(50);
  EXPECT_NE(classify(patient).finding.id, "L5");
}

TEST(L5, ALoopThatWokeMeanwhileIsNot) {
  Patient patient;
  unwoken(patient);
  patient.watched(50);
  patient.facts().watch.threads.front().voluntary_switches = 2;
  EXPECT_NE(classify(patient).finding.id, "L5");
}

TEST(L5, WhatWasCancelledIsNoWork) {
  Patient patient;
  unwoken(patient).queued.front().cancelled = true;
  patient.watched(50);
  EXPECT_NE(classify(patient).finding.id, "L5");
}

TEST(L5, ALoopCaughtWhileItTurnsIsNot) {
  Patient patient;
  unwoken(patient);
  patient.thread(100).wait.timeout_ms = 0;
  patient.facts().target.kind = facts::TargetKind::core;
  patient.facts().target.one_instant = true;
  EXPECT_EQ(classify(patient).finding.id, "") << "nor N3: a timeout of 0 is no wait";
}

TEST(L5, AnEmptyQueueIsL1) {
  Patient patient;
  auto& loop = unwoken(patient);
  loop.ready = 0;
  loop.queued.clear();
  patient.watched(50);
  EXPECT_EQ(classify(patient).finding.id, "L1");
}

TEST(L5, InACoreItIsLikely) {
  Patient patient;
  unwoken(patient);
  patient.facts().target.kind = facts::TargetKind::core;
  patient.facts().kernel = {};
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L5");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
}

// --- L4 ---

AwaitedFacts& awaits(Patient& patient, std::uint64_t tid, Provider by, std::uint64_t provider) {
  AwaitedFacts awaited;
  awaited.waiter = patient.state(tid).address;
  awaited.object = kFuture + tid;
  awaited.type = "concurrent.futures._base.Future";
  awaited.by = by;
  awaited.provider = provider;
  patient.facts().python->awaited.push_back(awaited);
  return patient.facts().python->awaited.back();
}

// The loop of `tid` does not turn: its thread sleeps in a futex in user code.
LoopFacts& blocked(Patient& patient, std::uint64_t tid) {
  auto& loop = patient.loop(tid);
  loop.in_selector = false;
  loop.user_frame = 0;
  loop.ready = 1;
  patient.thread(tid).wait = endless_futex(0x900000 + tid);
  return loop;
}

TEST(L4, TheLoopsThreadWaitsForWhatItsOwnLoopHasQueued) {
  Patient patient;
  const auto object = blocked(patient, 100).object;
  awaits(patient, 100, Provider::loop, object);
  patient.watched(550);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L4");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.finding.blame[0].tid, 100U);
}

TEST(L4, AWorkerInBetweenChangesNothing) {
  Patient patient;
  patient.python_thread(200, "worker");
  const auto object = blocked(patient, 100).object;
  awaits(patient, 100, Provider::thread, patient.state(200).address);
  awaits(patient, 200, Provider::loop, object);
  patient.watched(550);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L4");
  ASSERT_EQ(verdict.finding.blame.size(), 2U);
  EXPECT_EQ(verdict.finding.blame[0].tid, 100U) << "the one that blocks the loop";
}

TEST(L4, AWorkerThatSleepsForAWhileIsL3) {
  Patient patient;
  patient.python_thread(200, "worker");
  blocked(patient, 100);
  awaits(patient, 100, Provider::thread, patient.state(200).address);
  sleeps(patient, 200);
  patient.watched(550);
  EXPECT_EQ(classify(patient).finding.id, "L3");
}

TEST(L4, TheQueueOfALoopThatSleepsInItsSelectorIsNone) {
  Patient patient;
  patient.python_thread(200, "loop");
  patient.loop(200).object = 0x810000;
  awaits(patient, 100, Provider::loop, 0x810000);
  patient.thread(100).wait = endless_futex(0x900100);
  patient.watched(550);
  EXPECT_NE(classify(patient).finding.id, "L4");
}

void worker(Patient& patient, std::uint64_t tid) {
  patient.python_thread(tid, "pool");
  patient.state(tid).pool = kPool;
}

TEST(L4, AllWorkersWaitForJobsOfTheirOwnPool) {
  Patient patient;
  worker(patient, 200);
  worker(patient, 201);
  patient.thread(100).wait = endless_futex(0x900100);
  awaits(patient, 100, Provider::thread, patient.state(200).address);
  awaits(patient, 200, Provider::pool, kPool);
  awaits(patient, 201, Provider::pool, kPool);
  patient.watched(550);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L4");
  EXPECT_EQ(verdict.finding.blame[0].tid, 200U) << "main only waits for them";
}

TEST(L4, AWorkerThatIsFreeTakesTheJob) {
  Patient patient;
  worker(patient, 200);
  worker(patient, 201);
  patient.thread(100).wait = endless_futex(0x900100);
  awaits(patient, 100, Provider::thread, patient.state(200).address);
  awaits(patient, 200, Provider::pool, kPool);
  patient.watched(550);
  EXPECT_NE(classify(patient).finding.id, "L4");
}

TEST(L4, OneOfManyIsEnoughWhereAnyIs) {
  Patient patient;
  const auto object = blocked(patient, 100).object;
  patient.python_thread(200, "worker");
  awaits(patient, 100, Provider::loop, object).any = true;
  awaits(patient, 100, Provider::thread, patient.state(200).address).any = true;
  patient.watched(550);
  EXPECT_NE(classify(patient).finding.id, "L4");
}

TEST(L4, InferredIsLikely) {
  Patient patient;
  const auto object = blocked(patient, 100).object;
  awaits(patient, 100, Provider::loop, object).seen = false;
  patient.watched(550);
  EXPECT_EQ(classify(patient).finding.confidence, Confidence::likely);
}

// --- L6 ---

// asyncio.run is over and waits for a worker of the default pool.
void closing(Patient& patient) {
  worker(patient, 200);
  patient.state(200).frames = {
      {0x510000, "drain", "/srv/app/app.py", 40, false, 0x1, {}},
      {0x510100, "_worker", "/usr/lib/python3.13/concurrent/futures/thread.py", 93, false, 0x1, {}}};
  patient.socketpair(6, 7);
  auto& loop = patient.loop(100, facts::LoopKind::asyncio, 300'000);
  loop.own_fds = {5, 6, 7};
  loop.executor = kPool;
  loop.tasks.front().frames = {{0x600000,
                                "BaseEventLoop.shutdown_default_executor",
                                "/usr/lib/python3.13/asyncio/base_events.py",
                                600,
                                false,
                                0x2,
                                {}}};
}

TEST(L6, TheDefaultPoolsJobNeverEnds) {
  Patient patient;
  closing(patient);
  patient.watched(50);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L6");
  EXPECT_EQ(verdict.finding.blame[0].tid, 200U);
  EXPECT_EQ(verdict.finding.blame[0].frame, "drain, app.py:40");
}

TEST(L6, AWorkerWhoseFramesAreNotThereLeavesItOpen) {
  Patient patient;
  closing(patient);
  patient.state(200).frames.clear();
  patient.state(200).frames_complete = false;
  patient.thread(100).wait.timeout_ms = 300'000;
  patient.watched(50);
  EXPECT_EQ(classify(patient).finding.id, "");
}

TEST(L6, AJobWithADateIsN3) {
  Patient patient;
  closing(patient);
  sleeps(patient, 200);
  patient.watched(50);
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L6, AJobOfAnotherPoolIsNotWaitedFor) {
  Patient patient;
  closing(patient);
  patient.state(200).pool = kPool + 8;
  patient.watched(50);
  EXPECT_NE(classify(patient).finding.id, "L6");
}

TEST(L6, ALoopThatDoesNotCloseIsNot) {
  Patient patient;
  closing(patient);
  patient.facts().python->loops.front().tasks.front().frames.front().function = "consume";
  patient.watched(50);
  EXPECT_NE(classify(patient).finding.id, "L6");
}

// --- L7 ---

void delivering(Patient& patient) {
  auto& loop = patient.loop(100);
  loop.tasks.front().object = kTask;
  loop.cancel_scopes.push_back({0xf500, true, {kTask}});
  patient.thread(100).wait.timeout_ms = 0;
  patient.watched(50);
  patient.facts().watch.threads.front().cpu_ns = 45'000'000;
}

TEST(L7, TheDeliveryOfACancellationNeverEnds) {
  Patient patient;
  delivering(patient);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L7");
  EXPECT_EQ(verdict.finding.blame[0].frame, "consume, app.py:12");
}

TEST(L7, ACancelledScopeThatIsQuietIsNot) {
  Patient patient;
  delivering(patient);
  patient.facts().python->loops.front().cancel_scopes.front().delivering = false;
  EXPECT_NE(classify(patient).finding.id, "L7");
}

TEST(L7, ALoopThatSleepsIsNot) {
  Patient patient;
  delivering(patient);
  patient.facts().watch.threads.front().cpu_ns = 0;
  EXPECT_NE(classify(patient).finding.id, "L7");
}

// --- L8 ---

void draining(Patient& patient) {
  patient.socketpair(6, 7);
  auto& loop = patient.loop(100, facts::LoopKind::trio);
  loop.own_fds = {5, 6, 7};
  loop.wakeup_reader = 6;
  loop.in_selector = false;
  loop.user_frame = 0;
  patient.state(100).frames.insert(
      patient.state(100).frames.begin(),
      {0x520000, "WakeupSocketpair.drain", "/usr/lib/python3/trio/_core/_wakeup_socketpair.py", 45, false, 0x1, {}});
  auto& running = patient.thread(100);
  running.wait = {};
  running.wait.kind = facts::WaitKind::none;
  for (auto& fd : patient.facts().kernel.fds)
    if (fd.fd == 6) {
      fd.unix_socket->peer_inode = 0;
      fd.unix_socket->peer_holders.clear();
      fd.unix_socket->shutdown = 3;
    }
  patient.watched(50);
}

TEST(L8, TheWakeupSocketIsAtItsEnd) {
  Patient patient;
  draining(patient);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L8");
  EXPECT_EQ(verdict.finding.blame[0].fd, 6);
}

TEST(L8, APairThatIsWholeIsBusyWork) {
  Patient patient;
  draining(patient);
  for (auto& fd : patient.facts().kernel.fds)
    if (fd.fd == 6) fd.unix_socket->peer_inode = 1007, fd.unix_socket->shutdown = 0;
  EXPECT_NE(classify(patient).finding.id, "L8");
}

TEST(L8, APeerThatWasNotReadProvesNothing) {
  Patient patient;
  draining(patient);
  for (auto& fd : patient.facts().kernel.fds)
    if (fd.fd == 6) fd.unix_socket->peer_inode.reset();
  EXPECT_NE(classify(patient).finding.id, "L8");
}

// --- P5 ---

constexpr std::uint64_t kLost = 400;

// The main task waits for the end of process 400; there is no such process any more.
facts::TaskFacts& awaiting(Patient& patient) {
  auto& task = patient.loop(100).tasks.front();
  task.object = kTask;
  task.parked.on = facts::ParkedOn::process;
  task.parked.pid = kLost;
  facts::NeighbourFacts neighbour;
  neighbour.pid = kLost;
  patient.facts().kernel.neighbours.push_back(neighbour);
  patient.watched(50);
  return task;
}

TEST(P5, TheChildIsGoneAndNobodyTells) {
  Patient patient;
  awaiting(patient);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "P5");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.finding.blame[0].frame, "consume, app.py:12");
  EXPECT_NE(verdict.finding.summary.find("process 400"), std::string::npos);
}

TEST(P5, IgnoredSigchldIsNamed) {
  Patient patient;
  awaiting(patient);
  patient.facts().kernel.process.sig_ign = std::uint64_t{1} << 16;
  EXPECT_NE(classify(patient).finding.summary.find("SIGCHLD is ignored"), std::string::npos);
}

TEST(P5, AChildThatLivesIsNone) {
  Patient patient;
  awaiting(patient);
  patient.facts().kernel.process.children = {{static_cast<std::int64_t>(kLost), "worker", 'S', 0}};
  EXPECT_NE(classify(patient).finding.id, "P5");
  patient.facts().kernel.process.children.front().state = 'Z';
  EXPECT_EQ(classify(patient).finding.id, "P5") << "ended, and nobody looks";
}

TEST(P5, AThreadInWaitpidWillTell) {
  Patient patient;
  awaiting(patient);
  patient.python_thread(101, "waitpid-0");
  auto& wait = patient.thread(101).wait;
  wait.kind = facts::WaitKind::wait_child;
  wait.name = "wait4";
  wait.pid = kLost;
  patient.watched(50);
  EXPECT_NE(classify(patient).finding.id, "P5");
}

TEST(P5, ALoopThatTurnsMayBeAboutToTell) {
  Patient patient;
  awaiting(patient);
  patient.facts().watch.threads.front().voluntary_switches = 1;
  EXPECT_NE(classify(patient).finding.id, "P5");
}

TEST(P5, NothingIsSaidOfAProcessThatWasNotLookedAt) {
  Patient patient;
  awaiting(patient);
  patient.facts().kernel.neighbours.clear();
  EXPECT_NE(classify(patient).finding.id, "P5");
}

}  // namespace
}  // namespace hang::test
