// What a core cannot know lowers verdicts, and never makes one up.
#include <algorithm>
#include <gtest/gtest.h>
#include <utility>
#include <vector>

#include "shapes/classify.h"

namespace hang::test {
namespace {

using verdict::Answer;
using verdict::Confidence;

// Registers and memory only.
void as_core(Patient& patient) {
  auto& facts = patient.facts();
  facts.target.kind = facts::TargetKind::core;
  facts.kernel = {};
  facts.watch = {};
  facts.watch.skipped = "a core is one instant";
  for (auto& thread : facts.threads) {
    thread.state.reset();
    thread.sig_blk.reset();
    thread.sig_pnd.reset();
    thread.cpu_ns.reset();
  }
}

Patient asleep_without_a_date() {
  Patient patient;
  sleeps(patient, 100);
  as_core(patient);
  patient.thread(100).wait.timeout_ms.reset();
  return patient;
}

TEST(InACore, IdleIsLikelyAtMost) {
  auto patient = asleep_without_a_date();
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown);
}

TEST(InACore, ATimerWithoutADateIsNotIdleWithASignalWaiting) {
  auto patient = asleep_without_a_date();
  patient.tripped();
  EXPECT_EQ(classify(patient).finding.id, "");
}

// What was not read may block, join or run a loop.
TEST(InACore, NorWithAStackThatWasNotRead) {
  auto patient = asleep_without_a_date();
  patient.state(100).frames.clear();
  patient.state(100).frames_complete = false;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "");
  EXPECT_EQ(verdict.gaps.back().what, "the Python frames of the main thread");
}

TEST(InACore, NorWithALoopThatWasNotRead) {
  Patient patient;
  auto& loop = patient.loop(100, facts::LoopKind::asyncio, 3'600'000);
  EXPECT_EQ(classify(patient).finding.id, "N3");
  loop.object = 0;
  EXPECT_EQ(classify(patient).finding.id, "");
  loop.object = 0x800000;
  loop.tasks_known = false;
  EXPECT_EQ(classify(patient).finding.id, "");
}

// The kernel delivers nothing to a process that is stopped, so one that died of a signal was not.
TEST(InACore, OfAProcessThatDiedItWasNotStopped) {
  auto patient = asleep_without_a_date();
  EXPECT_EQ(classify(patient).ctrl_c.step, 0);
  patient.facts().target.died = true;
  EXPECT_NE(classify(patient).ctrl_c.step, 0);
}

// A loop asleep on epoll set 5, of which only the loop's own map is known.
Patient loop_in_a_core(std::vector<facts::WatchedFd> watched) {
  Patient patient;
  auto& loop = patient.loop(100);
  loop.own_fds = {5, 6, 7};
  loop.watched = std::move(watched);
  as_core(patient);
  return patient;
}

TEST(InACore, TheLoopsOwnMapShowsThatNothingWakesIt) {
  auto patient = loop_in_a_core({{6, false}});
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "L1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely) << "the kernel's list was not seen";
  patient.facts().python->loops.front().epfd = 9;
  EXPECT_EQ(classify(patient).finding.id, "") << "it sleeps on another epoll set";
}

TEST(InACore, WhatElseTheMapHasIsNotKnown) {
  auto patient = loop_in_a_core({{6, false}, {8, false}});
  EXPECT_EQ(classify(patient).finding.id, "");
  patient = loop_in_a_core({{6, false}, {8, true}});
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3") << "it accepts connections";
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
}

TEST(InACore, NorInASubinterpreterWhereCtrlCIsDead) {
  auto patient = asleep_without_a_date();
  patient.interpreter(1);
  auto state = patient.state(100);
  state.address += 0x1000;
  state.interpreter = 1;
  patient.state(100).frames.clear();
  patient.facts().python->thread_states.push_back(state);
  const auto verdict = classify(patient);
  EXPECT_NE(verdict.finding.id, "N3") << verdict.finding.summary;
}

Patient blocked_loop() {
  Patient patient;
  sleeps(patient, 100);
  auto& loop = patient.loop(100);
  sleeps(patient, 100);
  loop.in_selector = false;
  loop.user_frame = 0;
  as_core(patient);
  return patient;
}

TEST(InACore, ABlockedLoopIsStillNamed) {
  auto patient = blocked_loop();
  EXPECT_EQ(classify(patient).finding.id, "L3");
}

// The child of a fork has the parent's loop on its stack, and took its wakeup fd away.
TEST(InACore, ALoopWithHandlersButNoWakeupFdMayBeTheParents) {
  auto patient = blocked_loop();
  patient.facts().python->loops[0].signal_handlers = {2};
  patient.facts().python->signals.wakeup_fd = -1;
  EXPECT_NE(classify(patient).finding.id, "L3");
}

}  // namespace
}  // namespace hang::test
