// Who holds the GIL, and is that a hang? S1, G3 and N2, and what they must not be taken for.
#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shapes/classify.h"
#include "verdict/look_alikes.h"

namespace hang::test {
namespace {

using verdict::Answer;
using verdict::Confidence;

Patient starving() {
  Patient patient;
  patient.interpreter(1).python_thread(101, "subint-driver", 1).hog(101, 1).wants_gil(100).tripped();
  return patient;
}

TEST(S1, StarvingMainIsCertainAfterAWatch) {
  auto patient = starving();
  const auto verdict = classify(patient.watched(550));
  EXPECT_EQ(verdict.finding.id, "S1");
  EXPECT_EQ(verdict.finding.seed_class, 1);
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
  ASSERT_EQ(verdict.finding.blame.size(), 1u);
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
  EXPECT_EQ(verdict.finding.blame[0].interpreter, 1);
  EXPECT_EQ(verdict.finding.blame[0].frame, "work, scan.py:88");
  EXPECT_EQ(verdict.exit_code(), 1);
}

TEST(S1, OneSampleWithATrippedSignalIsLikely) {
  auto patient = starving();
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
}

TEST(S1, BeforeAnySignalMainStillSleepsInEpoll) {
  Patient patient;
  patient.interpreter(1).python_thread(101, "subint-driver", 1).hog(101, 1);
  const auto verdict = classify(patient.watched(550));
  EXPECT_EQ(verdict.finding.id, "S1");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

TEST(S1, NotWhenTheGilChangesHands) {
  auto patient = starving();
  patient.watched(550).facts().watch.gils[0].switches = 40;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N2");
  EXPECT_EQ(verdict.exit_code(), 0);
}

TEST(S1, NotWhenTheHolderExecutesPythonAndNobodyWaits) {
  Patient patient;
  patient.interpreter(1).python_thread(101, "subint-driver", 1).hog(101, 1).watched(550);
  patient.facts().watch.states[1].changes = 11;
  EXPECT_NE(classify(patient).finding.id, "S1");
}

TEST(S1, PythonLoopThatCannotSeeTheRequestStarvesOn312) {
  auto patient = starving();
  patient.gil().drop_request_seen_by_holder = false;
  patient.watched(550).facts().watch.states[1].changes = 11;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
}

TEST(S1, NotWhenTheHogHasItsOwnGil) {
  Patient patient;
  patient.interpreter(1, -1).python_thread(101, "isolated", 1).hog(101, 1, 1).watched(550);
  const auto verdict = classify(patient);
  EXPECT_NE(verdict.finding.id, "S1");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
}

TEST(S1, NotWhenTheGilWordsWereNotRead) {
  auto patient = starving();
  patient.watched(550).gil().locked.reset();
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown);
  EXPECT_EQ(verdict.exit_code(), 3);
}

TEST(S1, NotWhenTheHolderSleepsOnANativeLock) {
  auto patient = starving();
  patient.thread(101).wait = patient.thread(100).wait;
  patient.thread(101).wait.futex = 0x123456;
  patient.thread(101).state = 'S';
  const auto verdict = classify(patient.watched(550));
  EXPECT_EQ(verdict.finding.id, "");  // G1 is not decided by this version
  ASSERT_FALSE(verdict.gaps.empty());
  EXPECT_EQ(verdict.gaps.back().would_decide.front(), "G1");
}

// Thread 101 holds the GIL and sleeps on a mutex; the main thread wants the GIL.
Patient deadlocked(std::uint64_t owner) {
  Patient patient;
  patient.python_thread(101, "worker").hog(101, 0).wants_gil(100);
  patient.thread(101).wait = endless_futex(0x123456);
  patient.thread(101).state = 'S';
  patient.facts().native_locks.push_back(
      {0x123456, "pthread mutex", owner, true, "pthread_mutex_t.__data.__owner = " + std::to_string(owner)});
  patient.watched(550);
  return patient;
}

TEST(G1, TheOwnerOfTheMutexWaitsForTheGil) {
  auto patient = deadlocked(100);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  ASSERT_EQ(verdict.finding.blame.size(), 2u);
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
  EXPECT_EQ(verdict.finding.blame[1].tid, 100u);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

TEST(G1, OneSampleOfARunningProcessIsNotCertain) {
  auto patient = deadlocked(100);
  patient.facts().watch = {};
  EXPECT_EQ(classify(patient).finding.confidence, Confidence::likely);
  patient.facts().target.one_instant = true;
  EXPECT_EQ(classify(patient).finding.confidence, Confidence::certain);
}

// Every 5 ms a waiter for the GIL is awake for an instant; in a core only its stack says what it is about.
TEST(G1, TheOwnerMayBeAwakeForAnInstant) {
  auto patient = deadlocked(100);
  patient.facts().watch = {};
  patient.facts().target.kind = facts::TargetKind::core;
  patient.facts().target.one_instant = true;
  auto& owner = patient.thread(100);
  owner.wait = {};
  owner.wait.kind = facts::WaitKind::none;
  EXPECT_NE(classify(patient).finding.id, "G1") << "it runs, and may give the lock back";
  owner.takes_gil = 0;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
}

TEST(G3, BytecodeBeforeItFellAsleepWithTheGilDoesNotAcquitIt) {
  Patient patient;
  patient.python_thread(101, "worker").hog(101, 0);
  sleeps(patient, 101);
  patient.thread(101).state = 'S';
  patient.watched(550);
  auto& watch = patient.facts().watch.threads.back();
  watch.samples = 3;
  watch.native = {{"_PyEval_EvalFrameDefault", "python3.13", 3}};
  EXPECT_EQ(classify(patient).finding.id, "G3");
}

TEST(G1, NotWhenTheOwnerDoesNotWaitForTheGil) {
  auto patient = deadlocked(102);
  patient.python_thread(102, "other");
  EXPECT_EQ(classify(patient).finding.id, "G3") << "a native call that keeps the GIL";
}

// A call that lets the GIL go between its steps takes it back at once as long as nobody asks.
TEST(G3, NotWhenTheHolderLetsItGoInBetween) {
  Patient patient;
  patient.python_thread(101, "worker").hog(101, 0);
  sleeps(patient, 101);
  patient.thread(101).state = 'S';
  patient.watched(700);
  EXPECT_EQ(classify(patient).finding.id, "G3");
  patient.facts().watch.gils.front().let_go = true;
  const auto verdict = classify(patient);
  EXPECT_NE(verdict.finding.id, "G3");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
}

TEST(N2, AnotherThreadThatComputesWithoutTheGil) {
  Patient patient;
  patient.python_thread(101, "worker");
  patient.thread(100).wait = endless_futex(0x910000);
  auto& wait = patient.thread(101).wait;
  wait = {};
  wait.kind = facts::WaitKind::none;
  patient.watched(100);
  EXPECT_EQ(classify(patient).finding.id, "N2");
  patient.facts().watch.threads.back().cpu_ns = 0;
  EXPECT_NE(classify(patient).finding.id, "N2");
}

TEST(G1, TheLockMayBeTheEndOfAThread) {
  auto patient = deadlocked(100);
  patient.facts().native_locks[0].kind = facts::kEndOfThread;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G1");
  EXPECT_THAT(verdict.finding.summary, testing::HasSubstr("is that thread and waits for the GIL"));
}

TEST(G3, AMutexThatItsOwnWaiterHasLocked) {
  auto patient = deadlocked(101);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G3");
  EXPECT_THAT(verdict.finding.summary, testing::HasSubstr("that it has locked itself"));
}

TEST(G1, NotWhenTheNumberIsNoThread) {
  auto patient = deadlocked(77);
  EXPECT_EQ(classify(patient).finding.id, "");
}

TEST(G1, NotWhenTheGilMoves) {
  auto patient = deadlocked(100);
  patient.facts().watch.gils.front().switches = 3;
  EXPECT_NE(classify(patient).finding.id, "G1");
}

TEST(G2, TheHolderWaitsForItsOwnGil) {
  Patient patient;
  patient.interpreter(1).python_thread(101, "embedder", 1).hog(101, 1).wants_gil(101).watched(550);
  patient.thread(101).state = 'S';
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G2");
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
}

// In memory that was copied while the process ran, a GIL that changes hands looks the same.
TEST(G2, NotInACopyThatIsNotOfOneMoment) {
  Patient patient;
  patient.interpreter(1).python_thread(101, "embedder", 1).hog(101, 1).wants_gil(101);
  patient.thread(101).state = 'S';
  patient.facts().watch = {};
  patient.facts().target.kind = facts::TargetKind::core;
  EXPECT_EQ(classify(patient).finding.id, "");
  patient.facts().target.one_instant = true;
  EXPECT_EQ(classify(patient).finding.id, "G2");
}

TEST(G2, NotWhenAnotherThreadHasIt) {
  auto patient = starving();
  patient.watched(550);
  EXPECT_EQ(classify(patient).finding.id, "S1");
}

TEST(S1, OneSampleInsideACallOfAnotherInterpreterIsPossible) {
  Patient patient;
  patient.interpreter(1).python_thread(101, "subint-driver", 1).hog(101, 1).loop(100);
  patient.thread(101).native_symbol = "sre_ucs1_match";
  patient.state(101, 1).at_call = true;
  auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::possible);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
  // The same instant of Python code is open, and above all no L1, though the loop has nothing that could wake it.
  patient.thread(101).native_symbol = "_PyEval_EvalFrameDefault";
  verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

// A chain of three: 101 has the GIL and waits for a mutex of 102, who waits for one of 103, who waits for the GIL.
TEST(G1, ACycleOfThree) {
  auto patient = deadlocked(102);
  patient.python_thread(102, "second").python_thread(103, "third").wants_gil(103);
  auto& wait = patient.thread(102).wait;
  wait.futex = 0x223456;
  patient.facts().native_locks.push_back({0x223456, "pthread rwlock", 103, true, "__cur_writer = 103"});
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  ASSERT_EQ(verdict.finding.blame.size(), 3u);
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
  EXPECT_EQ(verdict.finding.blame[1].tid, 102u);
  EXPECT_EQ(verdict.finding.blame[2].tid, 103u);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

TEST(G1, AnInferredOwnerIsLikely) {
  auto patient = deadlocked(100);
  patient.facts().native_locks[0] = {0x123456, "C++ static guard", 100, false, "both threads are inside f (libx.so)"};
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G1");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely);
  EXPECT_FALSE(verdict.finding.path.empty());
  EXPECT_TRUE(std::any_of(verdict.finding.path.begin(), verdict.finding.path.end(),
                          [](const auto& edge) { return !edge.seen; }));
}

// Its owner is asleep with a date: nobody waits for the GIL in a circle, the holder just blocks with it in hand.
TEST(G1, NotWhenTheOwnerOnlySleeps) {
  auto patient = deadlocked(102);
  patient.python_thread(102, "sleeper");
  sleeps(patient, 102);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G3");
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
}

TEST(Explain, LookAlikesAreExcludedByFacts) {
  const auto starved = verdict::excluded_look_alikes(through_json(starving().watched(550).facts()));
  EXPECT_EQ(starved.at("G3"), "the holder of the GIL runs interpreter 1, not the main one");
  EXPECT_TRUE(starved.contains("N2"));
  EXPECT_TRUE(starved.contains("L1"));
  EXPECT_FALSE(starved.contains("S1")) << "nothing excludes what it is";
  EXPECT_EQ(verdict::excluded_look_alikes(through_json(Patient().facts())).at("S1"), "the GIL is free");
}

TEST(G3, SameInterpreterIsNotS1) {
  Patient patient;
  patient.python_thread(101, "worker").hog(101, 0).wants_gil(100).watched(550);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G3");
  EXPECT_EQ(verdict.finding.seed_class, std::nullopt);
  EXPECT_EQ(verdict.finding.blame[0].tid, 101u);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

TEST(G3, NotWhenTheHolderWasSeenRunningBytecode) {
  Patient patient;
  patient.python_thread(101, "worker").hog(101, 0).watched(550);
  auto& watch = patient.facts().watch.threads.back();
  ASSERT_EQ(watch.tid, 101u);
  watch.samples = 540;
  watch.native = {{"crc32", "libz.so.1", 538}};
  EXPECT_EQ(classify(patient).finding.id, "G3") << "one C call, as far as was seen";
  // Many short calls: nobody asks for the GIL, and who would ask would get it.
  watch.native.push_back({"_PyEval_EvalFrameDefault", "python3.13", 2});
  EXPECT_NE(classify(patient).finding.id, "G3");
  // Asked for half a second and not given: what it runs does not matter any more.
  patient.wants_gil(100);
  EXPECT_EQ(classify(patient).finding.id, "G3");
}

// A thread whose frame stands at an instruction that calls nothing, seen `count` times of 540 in `symbol`; the other
// samples have no name, as those in the opcodes' functions of a stripped build.
void stands_still(Patient& patient, std::uint64_t tid, std::int64_t interpreter, const std::string& symbol, int count) {
  patient.state(tid, interpreter).at_call = false;
  for (auto& watch : patient.facts().watch.threads) {
    if (watch.tid != tid) continue;
    watch.samples = 540;
    watch.native.clear();
    if (count > 0) watch.native.push_back({symbol, symbol.starts_with("_Py") ? "python3.14" : "libz.so.1", count});
  }
}

TEST(G3, AStillFrameIsNoProofOfANativeCall) {
  Patient patient;
  patient.python_thread(101, "worker").hog(101, 0).watched(550);
  stands_still(patient, 101, 0, "", 0);
  auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "") << "`while True: pass` looks like that";
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown) << "so does a call that nobody can interrupt";
  EXPECT_EQ(verdict.ctrl_c.step, 5);
  stands_still(patient, 101, 0, "crc32", 538);
  EXPECT_EQ(classify(patient).finding.id, "G3") << "seen in another library";
  stands_still(patient, 101, 0, "crc32", 3);
  EXPECT_EQ(classify(patient).finding.id, "") << "seen there now and then";
  stands_still(patient, 101, 0, "", 0);
  patient.state(101, 0).at_call = true;
  EXPECT_EQ(classify(patient).finding.id, "G3") << "the instruction calls, and never ends";
  patient.state(101, 0).at_call = false;
  patient.wants_gil(100);
  EXPECT_EQ(classify(patient).finding.id, "G3") << "bytecode would have given the GIL to who asks";
}

TEST(S1, AStillFrameOfALegacySubinterpreterIsNoProofEither) {
  Patient patient;
  patient.interpreter(1).python_thread(101, "subint-driver", 1).hog(101, 1).watched(550);
  stands_still(patient, 101, 1, "", 0);
  EXPECT_EQ(classify(patient).finding.id, "");
  stands_still(patient, 101, 1, "_PyEval_EvalFrameDefault", 540);
  const auto verdict = classify(patient);
  EXPECT_NE(verdict.finding.id, "S1");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes) << "bytecode gives the GIL to who asks";
}

TEST(N2, ALoopOfOneInstructionShowsByTheProgramCounter) {
  Patient patient;
  patient.hog(100, 0).watched(550);
  stands_still(patient, 100, 0, "_PyEval_EvalFrameDefault", 539);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N2");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
  stands_still(patient, 100, 0, "", 0);
  EXPECT_EQ(classify(patient).finding.id, "");
}

// Short C calls, one after the other: in all reads but one the frame stood at the call.
TEST(N2, OneMoveAcquitsAMainThreadThatCallsC) {
  Patient patient;
  patient.hog(100, 0).watched(1200).facts().watch.states[0].changes = 1;
  patient.facts().watch.threads[0].samples = 1200;
  patient.facts().watch.threads[0].native = {{"sum", "libx.so", 1200}};
  EXPECT_EQ(classify(patient).finding.id, "N2");
  patient.facts().watch.states[0].changes = 0;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G3");
  EXPECT_EQ(verdict.finding.confidence, Confidence::likely) << "nobody asks: that is all that is known";
}

TEST(G3, OneSampleOfTwoBusyThreadsIsNotEnough) {
  Patient patient;
  patient.python_thread(101, "worker").hog(101, 0).wants_gil(100);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "");
  EXPECT_EQ(verdict.exit_code(), 3);
}

TEST(G3, MainThreadAsTheHogIsUnknownToCtrlC) {
  Patient patient;
  patient.hog(100, 0).watched(550);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "G3");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown);
  EXPECT_EQ(verdict.ctrl_c.step, 5);
}

TEST(N2, BusyPythonCodeInMainIsNoHang) {
  Patient patient;
  patient.hog(100, 0).watched(550).facts().watch.states[0].changes = 12;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N2");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
}

TEST(N2, AWaiterWithoutACpuDependsOnTheGilLikeAnyOther) {
  Patient patient;
  patient.python_thread(101, "spinner").hog(101, 0).watched(50);
  patient.thread(100).wait = {};
  patient.thread(100).wait.kind = facts::WaitKind::none;
  patient.facts().watch.gils[0].switches = 9;
  EXPECT_EQ(classify(patient).finding.id, "N2");
}

TEST(N2, NativeCodeWithoutTheGilShowsByItsCpu) {
  Patient patient;
  patient.thread(100).wait = {};
  patient.thread(100).wait.kind = facts::WaitKind::none;
  EXPECT_EQ(classify(patient.watched(50)).finding.id, "N2");
}

TEST(I1, ParkedInterpretersAreListedAndAcquitted) {
  auto patient = starving();
  patient.interpreter(2).python_thread(102, "innocent", 2);
  const auto verdict = classify(patient.watched(550));
  EXPECT_EQ(verdict.finding.id, "S1");
  ASSERT_EQ(verdict.others.size(), 1u);
  EXPECT_EQ(verdict.others[0].id, "I1");
  EXPECT_EQ(verdict.others[0].blame[0].tid, 102u);
}

TEST(Signature, DoesNotDependOnPidsAndAddresses) {
  auto one = starving(), other = starving();
  other.facts().target.pid = 4242;
  for (auto& state : other.facts().python->thread_states) state.frames[0].address += 0x1000;
  EXPECT_EQ(classify(one.watched(550)).signature, classify(other.watched(550)).signature);
}

}  // namespace
}  // namespace hang::test
