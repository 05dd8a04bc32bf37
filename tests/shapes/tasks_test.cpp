// Tasks and what they are parked on: L2, L9 and L10 against L1 and N3, and L1 in a loop that goes on for others.
#include <gtest/gtest.h>

#include "report/report.h"
#include "shapes/classify.h"

namespace hang::test {
namespace {

using facts::LoopFacts;
using facts::ParkedOn;
using facts::TaskFacts;
using verdict::Answer;
using verdict::Confidence;

constexpr std::uint64_t kMain = 0xa000, kOne = 0xa100, kTwo = 0xa200, kLockA = 0xb100, kLockB = 0xb200;

TaskFacts& add_task(LoopFacts& loop, std::uint64_t object, const std::string& name, const std::string& function) {
  TaskFacts task;
  task.object = object;
  task.name = name;
  task.bounded = false;
  task.frames = {
      {0x600000 + object, function, "/srv/app/app.py", static_cast<int>(object >> 4 & 0xff), false, 0x2, {}}};
  loop.tasks.push_back(task);
  loop.task_count = loop.tasks.size();
  return loop.tasks.back();
}

void park(TaskFacts& task, ParkedOn on, std::uint64_t object, std::vector<std::uint64_t> tasks = {}) {
  task.parked.on = on;
  task.parked.object = object;
  task.parked.type = on == ParkedOn::lock ? "asyncio.locks.Lock" : "asyncio.queues.Queue";
  task.parked.tasks = std::move(tasks);
  task.parked.available = false;
  task.parked.searched = true;
}

// The main task waits for two others; each of those for a lock that the other one holds.
LoopFacts& locks_in_a_circle(Patient& patient, std::int64_t timeout_ms = -1) {
  auto& loop = patient.loop(100, facts::LoopKind::asyncio, timeout_ms);
  loop.tasks.front().object = kMain;
  loop.tasks.front().bounded = false;
  loop.tasks.front().waits_for_tasks = true;
  park(loop.tasks.front(), ParkedOn::tasks, 0, {kOne, kTwo});
  park(add_task(loop, kOne, "one", "first"), ParkedOn::lock, kLockA, {kTwo});
  park(add_task(loop, kTwo, "two", "second"), ParkedOn::lock, kLockB, {kOne});
  return loop;
}

TEST(L2, LocksInACircle) {
  Patient patient;
  locks_in_a_circle(patient);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L2");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
  ASSERT_EQ(verdict.finding.blame.size(), 2U);
  EXPECT_EQ(verdict.finding.blame[0].frame, "first, app.py:16");
  EXPECT_EQ(verdict.finding.blame[1].frame, "second, app.py:32");
  EXPECT_EQ(verdict.exit_code(), 1);
}

TEST(L2, ACircleOfLocksStaysOneBesideATimer) {
  Patient patient;
  locks_in_a_circle(patient, 20);
  EXPECT_EQ(classify(patient).finding.id, "L2");
}

TEST(L2, ATimeoutAroundOneOfThemOpensTheCircle) {
  Patient patient;
  locks_in_a_circle(patient, 3'600'000).tasks[1].bounded = true;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L2, ACircleThatTheMainTaskDoesNotWaitForKeepsNobody) {
  Patient patient;
  auto& loop = locks_in_a_circle(patient, 20);
  loop.tasks.front().waits_for_tasks = false;
  loop.tasks.front().parked = {};
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L2, AHolderThatWaitsForATimerIsNoCircle) {
  Patient patient;
  auto& loop = locks_in_a_circle(patient, 3'600'000);
  loop.tasks[2].parked = {};
  loop.tasks[2].parked.on = ParkedOn::timer;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L2, ALockWhoseOwnerEnded) {
  Patient patient;
  auto& loop = patient.loop(100);
  loop.tasks.front().object = kMain;
  park(loop.tasks.front(), ParkedOn::lock, kLockA);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L2");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);

  loop.tasks.front().parked.searched = false;
  EXPECT_EQ(classify(patient).finding.id, "L1") << "who could release it was not searched to the end";
}

TEST(L2, AnEventThatOnlyTheWaitersParentSets) {
  Patient patient;
  auto& loop = patient.loop(100);
  loop.tasks.front().object = kMain;
  park(loop.tasks.front(), ParkedOn::tasks, 0, {kOne});
  park(add_task(loop, kOne, "child", "child"), ParkedOn::event, kLockA);
  EXPECT_EQ(classify(patient).finding.id, "L1") << "nobody would set it";

  loop.tasks[1].parked.could_end = {kMain};
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L2");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely) << "that the parent would set it is inferred";

  loop.tasks[1].parked.could_end = {kMain, 0};
  EXPECT_EQ(classify(patient).finding.id, "L1") << "a callback could end it as well";
}

TEST(L9, TheLockIsFreeAndSomebodyWaits) {
  Patient patient;
  auto& loop = patient.loop(100);
  park(loop.tasks.front(), ParkedOn::lock, kLockA);
  loop.tasks.front().parked.available = true;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L9");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
  EXPECT_NE(verdict.finding.summary.find("which is free"), std::string::npos);

  loop.ready = 1;
  EXPECT_NE(classify(patient).finding.id, "L9") << "its wake-up is queued";
}

TEST(L9, ALoopInAStepIsNotAsleep) {
  Patient patient;
  auto& loop = patient.loop(100);
  park(loop.tasks.front(), ParkedOn::event, kLockA);
  loop.tasks.front().parked.available = true;
  loop.in_selector = false;
  EXPECT_NE(classify(patient).finding.id, "L9");
}

// A heartbeat goes on; the main task waits for a queue.
LoopFacts& queue_beside_a_timer(Patient& patient) {
  auto& loop = patient.loop(100, facts::LoopKind::asyncio, 20);
  loop.tasks.front().object = kMain;
  loop.tasks.front().bounded = false;
  park(loop.tasks.front(), ParkedOn::queue_get, kLockA);
  auto& beat = add_task(loop, kOne, "beat", "beat");
  beat.parked.on = ParkedOn::timer;
  return loop;
}

TEST(L1, AQueueThatNobodyLeadsToBesideAHeartbeat) {
  Patient patient;
  queue_beside_a_timer(patient);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
  EXPECT_EQ(verdict.finding.blame[0].frame, "consume, app.py:12");
}

TEST(L1, AQueueThatTheHeartbeatLeadsToIsNoOrphan) {
  Patient patient;
  queue_beside_a_timer(patient).tasks.front().parked.could_end = {kOne};
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L1, WhatWasNotSearchedToTheEndIsNoOrphan) {
  Patient patient;
  queue_beside_a_timer(patient).tasks.front().parked.searched = false;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L1, ToWaitForAnEventForEverIsAWayToServe) {
  Patient patient;
  queue_beside_a_timer(patient).tasks.front().parked.on = ParkedOn::event;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L1, ATimeoutAroundTheQueueIsADate) {
  Patient patient;
  queue_beside_a_timer(patient).tasks.front().bounded = true;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(L1, AThreadThatLeadsToTheLoopMayFeedTheQueue) {
  Patient patient;
  auto& loop = queue_beside_a_timer(patient);
  loop.wakers = {101};
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

// asyncio in thread 100 is the host, thread 101 waits for the events of trio.
LoopFacts& guest(Patient& patient) {
  patient.python_thread(101, "Trio thread 0");
  patient.loop(100).object = 0x810000;
  auto& guest = patient.loop(101, facts::LoopKind::trio, 86'400'000);
  guest.is_guest = true;
  guest.host = 0x810000;
  guest.tasks.front().name = "__main__.receive";
  park(guest.tasks.front(), ParkedOn::receive, kLockA);
  return guest;
}

TEST(L10, TwoLoopsAsleepAndATaskOfTheGuestIsParked) {
  Patient patient;
  guest(patient);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L10");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
  EXPECT_NE(verdict.finding.summary.find("__main__.receive"), std::string::npos);
}

TEST(L10, AGuestThatListensIsIdle) {
  Patient patient;
  guest(patient);
  patient.python_thread(102, "decoy");
  patient.facts().python->loops.back().is_guest = false;
  EXPECT_NE(classify(patient).finding.id, "L10") << "a loop of its own in another thread is no guest";

  Patient timer;
  guest(timer);
  timer.thread(101).wait.timeout_ms = 60'000;
  timer.facts().python->loops.front().wakers = {101};
  EXPECT_EQ(classify(timer).finding.id, "N3");
}

TEST(Loops, TheTreeShowsWhoHoldsWhat) {
  Patient patient;
  locks_in_a_circle(patient);
  const auto text = report::listing_text(report::Listing::loops, patient.facts(), {});
  EXPECT_NE(text.find("Task-1 (main)"), std::string::npos) << text;
  EXPECT_NE(text.find("    one · first, app.py:16 · waits for the Lock at 0xb100, held by task two"), std::string::npos)
      << text;
}

}  // namespace
}  // namespace hang::test
