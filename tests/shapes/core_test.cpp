// What a core cannot know lowers verdicts, and never makes one up.
#include <algorithm>
#include <gtest/gtest.h>

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
