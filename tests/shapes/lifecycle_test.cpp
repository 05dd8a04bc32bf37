// I2 to I5: interpreters and the end of the program, each beside what it must not be taken for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shapes/classify.h"

namespace hang::test {
namespace {

using verdict::Answer;
using verdict::Confidence;

facts::FrameFacts shutdown_frame() {
  return {0x710000, "_shutdown", "/usr/lib/python3.13/threading.py", 1540, true, 0x1, {}};
}

// `closer` closes interpreter 1, in which thread 102 waits for ever.
Patient closing(std::uint64_t closer) {
  Patient patient;
  patient.interpreter(1).python_thread(102, "inner", 1);
  patient.state(102, 1).daemon = false;
  if (closer != 100) patient.python_thread(closer, "closer");
  facts::ThreadStateFacts state = patient.state(closer);
  state.address += 0x10000;
  state.interpreter = 1;
  state.frames = {shutdown_frame()};
  patient.facts().python->thread_states.push_back(state);
  patient.thread(closer).wait = endless_futex(0x900000);
  return patient;
}

TEST(I2, TheMainThreadClosesAnInterpreter) {
  auto patient = closing(100);
  patient.facts().watch.at_rest = true;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "I2");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.finding.blame[0].tid, 102u);
  EXPECT_EQ(verdict.finding.blame[0].frame, "work, scan.py:88");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

TEST(I2, AThreadThatTheMainOneJoinsClosesIt) {
  auto patient = closing(103);
  patient.thread(100).wait = endless_futex(0x910000);
  patient.state(100).joins = patient.state(103).thread_id = 0x7f03;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "I2");
  EXPECT_EQ(verdict.finding.blame[0].tid, 102u);
  EXPECT_NE(verdict.ctrl_c.answer, Answer::no) << "the main thread is in the main interpreter";
}

TEST(I2, NotWhenTheJoinedThreadEndsSoon) {
  auto patient = closing(100);
  sleeps(patient, 102, 200);
  EXPECT_NE(classify(patient).finding.id, "I2");
}

TEST(I2, NotWhenTheJoinedThreadRuns) {
  auto patient = closing(100);
  patient.thread(102).wait = {};
  patient.thread(102).wait.kind = facts::WaitKind::none;
  EXPECT_NE(classify(patient).finding.id, "I2");
}

TEST(I2, S2RunsCodeThereInstead) {
  auto patient = closing(100);
  patient.facts().python->thread_states.back().frames = {{0x710000, "serve", "/srv/app/guest.py", 7, true, 0x1, {}}};
  EXPECT_EQ(classify(patient).finding.id, "S2");
}

// The edges of that thread in the path, as "verb what".
std::vector<std::string> edges_of(const verdict::Verdict& verdict, std::uint64_t tid) {
  std::vector<std::string> edges;
  for (const auto& edge : verdict.finding.path)
    if (edge.node.starts_with("thread " + std::to_string(tid))) edges.push_back(edge.edge);
  return edges;
}

// `finalizing` is set while the threads are joined, `_finalizing` later: neither makes closers of the joined threads.
TEST(I2, ThreadsOfAnInterpreterThatIsClosedDoNotCloseIt) {
  auto patient = closing(100);
  auto& interpreter = patient.facts().python->interpreters.front();
  interpreter.finalizing = true;
  patient.state(102, 1).frames.push_back({0x1, "_bootstrap", "/usr/lib/python3.13/threading.py", 1014, true, 0x1, {}});
  for (const std::optional<std::uint64_t> by : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(0)}) {
    interpreter.finalized_by = by;
    const auto verdict = classify(patient);
    EXPECT_EQ(verdict.finding.id, "I2");
    EXPECT_THAT(edges_of(verdict, 102), testing::ElementsAre(testing::StartsWith("waits for a lock")));
  }
  interpreter.finalized_by = patient.facts().python->thread_states.back().address;
  patient.state(102, 1).frames.pop_back();
  EXPECT_THAT(edges_of(classify(patient), 102), testing::ElementsAre(testing::StartsWith("waits for a lock")));
}

TEST(I2, ByTheNativeStackWhereNoPythonFrameSaysIt) {
  auto patient = closing(100);
  patient.facts().python->thread_states.back().frames = {{0x710000, "at_exit", "/srv/app/guest.py", 9, true, 0x1, {}}};
  patient.thread(100).native_frames = {{0x1, 0x1, "Py_EndInterpreter", "libpython3.13.so.1.0"}};
  EXPECT_EQ(classify(patient).finding.id, "I2");
}

// The script has ended; thread 101 is no daemon and waits for ever.
Patient exiting() {
  Patient patient;
  patient.python_thread(101, "inner");
  patient.state(101).daemon = false;
  patient.state(100).frames = {shutdown_frame()};
  patient.thread(100).wait = endless_futex(0x920000);
  return patient;
}

TEST(I3, TheExitJoinsAThreadThatNothingWakes) {
  auto patient = exiting();
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "I3");
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes) << "it interrupts the join, and the exit goes on";
}

TEST(I3, NotWhileTheProgramStillRuns) {
  auto patient = exiting();
  patient.state(100).frames.push_back({0x720000, "<module>", "/srv/app/main.py", 3, true, 0x1, {}});
  EXPECT_NE(classify(patient).finding.id, "I3");
}

TEST(I3, AServerThreadIsIdleByDesign) {
  auto patient = exiting();
  patient.listening(8);
  auto& wait = patient.thread(101).wait;
  wait = {};
  wait.kind = facts::WaitKind::accept;
  wait.name = "accept4";
  wait.fd = 8;
  wait.timeout_ms = -1;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(I3, ADaemonIsNotJoined) {
  auto patient = exiting();
  patient.state(101).daemon = true;
  EXPECT_NE(classify(patient).finding.id, "I3");
}

// CPython is being finalized; the main thread waits for a lock in a finalizer.
Patient finalizing() {
  Patient patient;
  patient.facts().python->finalizing = true;
  patient.state(100).frames = {{0x730000, "Cache.__del__", "/srv/app/cache.py", 20, true, 0x1, {}}};
  patient.thread(100).wait = endless_futex(0x930000);
  return patient;
}

TEST(I4, ALockAtTheEndOfTheProgram) {
  auto patient = finalizing();
  patient.python_thread(101, "daemon");
  facts::LockFacts lock;
  lock.object = 0x940000;
  lock.type = "_thread.lock";
  lock.name = "LOCK";
  lock.waiter = patient.state(100).address;
  lock.held_by = {{patient.state(101).address, 0}};
  patient.facts().python->locks = {lock};
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "I4");
  ASSERT_EQ(verdict.finding.blame.size(), 2u);
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
  // Its own frame holds it: that is no frozen daemon's doing.
  patient.facts().python->locks[0].held_by = {{patient.state(100).address, 0}};
  EXPECT_NE(classify(patient).finding.id, "I4");
}

TEST(I4, NotBeforeFinalization) {
  auto patient = finalizing();
  patient.facts().python->finalizing = false;
  EXPECT_NE(classify(patient).finding.id, "I4");
}

TEST(I4, NotWhenTheWaitHasADate) {
  auto patient = finalizing();
  patient.thread(100).wait.timeout_ms = 500;
  EXPECT_NE(classify(patient).finding.id, "I4");
}

// The main thread polls queue 3 of the interpreters.
Patient polling() {
  Patient patient;
  patient.state(100).frames.insert(
      patient.state(100).frames.begin(),
      {0x740000, "Queue.get", "/usr/lib/python3.14/concurrent/interpreters/_queues.py", 267, false, 0x1, {}});
  patient.state(100).polling = facts::Polling{0, "queue 3", false, true};
  sleeps(patient, 100, 10);
  return patient;
}

TEST(I5, NobodyIsLeftWhoCouldPut) {
  auto patient = polling();
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "I5");
  EXPECT_EQ(verdict.finding.blame[0].tid, 100u);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
}

// The main thread waits for an event; all that could set it polls for ever.
TEST(I5, TheMainThreadWaitsForOneThatPolls) {
  Patient patient;
  patient.python_thread(101, "consumer");
  patient.state(101).polling = facts::Polling{0, "queue 3", false, true};
  sleeps(patient, 101, 10);
  patient.thread(100).wait = endless_futex(0x900000);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "I5") << "its naps are no dates";
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
  patient.python_thread(102, "other");
  sleeps(patient, 102, 5000);
  EXPECT_NE(classify(patient).finding.id, "I5");
}

TEST(I5, NotWithATimeout) {
  auto patient = polling();
  patient.state(100).polling->endless = false;
  EXPECT_EQ(classify(patient).finding.id, "N3");
}

TEST(I5, NotWhileAnotherInterpretersThreadCanAct) {
  auto patient = polling();
  patient.interpreter(1).python_thread(101, "producer", 1);
  sleeps(patient, 101, 5000);
  EXPECT_NE(classify(patient).finding.id, "I5");
  // Two that poll wait for each other.
  patient.state(101, 1).polling = facts::Polling{0, "queue 4", false, true};
  EXPECT_EQ(classify(patient).finding.id, "I5");
}

}  // namespace
}  // namespace hang::test
