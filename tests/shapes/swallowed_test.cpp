// S6 and S7: the handler ran, or runs, and the interrupt does not get to the top. And S4 by a fork.
#include <gtest/gtest.h>

#include "shapes/classify.h"

namespace hang::test {
namespace {

using facts::LoopKind;
using verdict::Answer;
using verdict::Confidence;

// asyncio.run, after one SIGINT: the main task was cancelled once and waits again.
Patient interrupted_asyncio() {
  Patient patient;
  auto& loop = patient.loop(100, LoopKind::asyncio, 900'000);
  loop.tasks.front().cancels = 1;
  loop.tasks.front().handles_cancel = false;
  auto& signals = patient.facts().python->signals;
  signals.sigint_handler = facts::HandlerKind::partial;
  signals.sigint_handler_name = "asyncio.runners.Runner._on_sigint";
  signals.runner_interrupt_count = 1;
  return patient;
}

TEST(S6, ATaskThatSwallowedItsCancellation) {
  auto patient = interrupted_asyncio();
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S6");
  EXPECT_EQ(verdict.finding.blame[0].frame, "consume, app.py:12");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::partly);
  EXPECT_EQ(verdict.ctrl_c.step, 7);
}

TEST(S6, NotWhileItHandlesTheCancellation) {
  auto patient = interrupted_asyncio();
  patient.facts().python->loops[0].tasks[0].handles_cancel = true;
  EXPECT_NE(classify(patient).finding.id, "S6");
}

TEST(S6, NotWhenTheCancellationWasTakenBack) {
  auto patient = interrupted_asyncio();
  patient.facts().python->loops[0].tasks[0].cancels = 0;
  EXPECT_NE(classify(patient).finding.id, "S6");
}

TEST(S6, NotBeforeAnySignal) {
  auto patient = interrupted_asyncio();
  patient.facts().python->signals.runner_interrupt_count = 0;
  EXPECT_NE(classify(patient).finding.id, "S6") << "a program may cancel its own tasks and let them go on";
}

TEST(S6, TheChildThatSwallowedIsToBlame) {
  auto patient = interrupted_asyncio();
  auto& tasks = patient.facts().python->loops[0].tasks;
  tasks[0].waits_for_tasks = true;
  facts::TaskFacts child = tasks[0];
  child.object += 0x100;
  child.name = "Task-2";
  child.main = child.waits_for_tasks = false;
  child.frames = {{0x600100, "fetch", "/srv/app/fetch.py", 7, false, 0x2, {}}};
  tasks.push_back(child);
  EXPECT_EQ(classify(patient).finding.blame[0].frame, "fetch, fetch.py:7");
}

// trio: the main task waits for its nursery, whose child is behind a shield.
Patient shielded_trio(bool cancelled) {
  Patient patient;
  auto& loop = patient.loop(100, LoopKind::trio);
  auto& main = loop.tasks.front();
  main.waits_for_tasks = true;
  main.cancels = cancelled ? 1 : 0;
  facts::TaskFacts child = main;
  child.object += 0x100;
  child.main = child.waits_for_tasks = false;
  child.shielded = true;
  child.frames = {{0x600100, "flush", "/srv/app/fetch.py", 7, false, 0x2, {}}};
  loop.tasks.push_back(child);
  return patient;
}

TEST(S6, AShieldKeepsTheCancellationOut) {
  auto patient = shielded_trio(true);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S6");
  EXPECT_EQ(verdict.finding.blame[0].frame, "flush, fetch.py:7");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 7);
}

TEST(S6, AShieldAloneIsPossibleAndStopsCtrlC) {
  auto patient = shielded_trio(false);
  auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S6");
  EXPECT_EQ(verdict.finding.confidence, Confidence::possible);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  // Somebody may still connect.
  patient.listening(8);
  verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
}

TEST(S6, AShieldThatWakesSoonIsCleanup) {
  auto patient = shielded_trio(true);
  patient.thread(100).wait.timeout_ms = 300;
  EXPECT_NE(classify(patient).finding.id, "S6");
}

TEST(S6, ATrioThreadThatMayNotBeAbandonedStopsCtrlC) {
  Patient patient;
  auto& loop = patient.loop(100, LoopKind::trio);
  loop.tasks.front().unstoppable = true;
  EXPECT_EQ(classify(patient).ctrl_c.answer, Answer::no);
  EXPECT_EQ(classify(patient).ctrl_c.step, 7);
  patient.facts().python->loops[0].tasks[0].unstoppable = false;
  EXPECT_EQ(classify(patient).ctrl_c.answer, Answer::yes);
}

TEST(S6, AFinalizerDropsTheInterrupt) {
  Patient patient;
  sleeps(patient, 100);
  patient.state(100).frames.insert(patient.state(100).frames.begin(),
                                   {0x730000, "Cache.__del__", "/srv/app/cache.py", 20, true, 0x1, {}});
  auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S6");
  EXPECT_EQ(verdict.finding.blame[0].frame, "Cache.__del__, cache.py:20");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 7);
  auto slow = patient;
  sleeps(slow, 100, 5'000);
  EXPECT_EQ(classify(slow).finding.id, "N3") << "it ends by itself";
  auto ending = patient;
  ending.facts().python->finalizing = true;
  EXPECT_NE(classify(ending).finding.id, "S6") << "SIGINT has the kernel's default action by then";
  // Called by the program itself it is a function like any other.
  patient.state(100).frames.front().entry = false;
  verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes);
}

// The main thread waits in a loop whose handler takes the interrupt.
Patient caught_in_loop(bool resumes) {
  Patient patient;
  auto& state = patient.state(100);
  state.frames = {{0x750000, "wait", "/srv/app/work.py", 5, false, 0x1, {}},
                  {0x751000, "loop", "/srv/app/work.py", 30, false, 0x1, {}}};
  state.interrupt = facts::CaughtInterrupt{1, "except BaseException", 31, resumes};
  sleeps(patient, 100);
  return patient;
}

TEST(S6, AHandlerThatWaitsAgainStopsCtrlC) {
  auto patient = caught_in_loop(true);
  auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3") << "what it waits for comes";
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 7);
  EXPECT_NE(verdict.ctrl_c.why.find("except BaseException in loop, work.py:31"), std::string::npos)
      << verdict.ctrl_c.why;
  patient.thread(100).wait = endless_futex(0x950000);
  verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S6");
  EXPECT_EQ(verdict.finding.blame[0].frame, "loop, work.py:31");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
}

TEST(S6, AHandlerThatCouldNotBeFollowedIsADoubt) {
  auto patient = caught_in_loop(false);
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "N3");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown);
  EXPECT_EQ(verdict.ctrl_c.step, 7);
  patient.thread(100).wait = endless_futex(0x950000);
  EXPECT_NE(classify(patient).finding.id, "S6");
}

TEST(S6, NotWhenAThreadCouldEndTheWait) {
  auto patient = caught_in_loop(true);
  patient.thread(100).wait = endless_futex(0x950000);
  patient.python_thread(101, "worker");
  sleeps(patient, 101, 5000);
  const auto verdict = classify(patient);
  EXPECT_NE(verdict.finding.id, "S6");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
}

TEST(S6, AHandlerOfTheProgramsOwnRaisesWhatItLikes) {
  auto patient = caught_in_loop(true);
  patient.facts().python->signals.sigint_handler = facts::HandlerKind::function;
  patient.facts().python->signals.sigint_handler_name = "app.on_sigint";
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::unknown);
  EXPECT_EQ(verdict.ctrl_c.step, 6);
}

// The main thread, inside `with LOCK`, was interrupted by a handler that waits for a lock.
Patient in_handler(int signal) {
  Patient patient;
  auto& state = patient.state(100);
  state.frames = {{0x750000, "on_signal", "/srv/app/log.py", 5, true, 0x1, signal},
                  {0x751000, "write", "/srv/app/log.py", 30, false, 0x1, {}}};
  patient.thread(100).wait = endless_futex(0x950000);
  facts::LockFacts lock;
  lock.object = 0x960000;
  lock.type = "_thread.lock";
  lock.name = "LOCK";
  lock.waiter = state.address;
  lock.held_by = {{state.address, 1}};
  lock.named_by = {0, 1};
  patient.facts().python->locks = {lock};
  return patient;
}

TEST(S7, TheInterruptedCodeHoldsTheLock) {
  auto patient = in_handler(10);
  patient.facts().watch.at_rest = true;
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S7");
  EXPECT_EQ(verdict.finding.confidence, Confidence::certain);
  EXPECT_EQ(verdict.finding.blame[0].frame, "on_signal, log.py:5");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::yes)
      << "SIGINT has another handler, and a lock of Python's is interruptible";
  EXPECT_NE(verdict.finding.summary.find("SIGUSR1"), std::string::npos);
}

TEST(S7, SigintsOwnHandlerRunsAgainOnTop) {
  auto patient = in_handler(2);
  auto& signals = patient.facts().python->signals;
  signals.sigint_handler = facts::HandlerKind::function;
  signals.sigint_handler_name = "log.on_signal";
  const auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S7");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 6);
}

TEST(S7, NotWhenAnotherThreadHoldsIt) {
  auto patient = in_handler(10);
  patient.python_thread(101, "worker");
  sleeps(patient, 101, 5000);
  patient.facts().python->locks[0].held_by = {{patient.state(101).address, 0}};
  EXPECT_NE(classify(patient).finding.id, "S7");
  patient.thread(101).wait = endless_futex(0x970000);
  EXPECT_NE(classify(patient).finding.id, "S7") << "that thread is stuck too, but it is its lock";
}

TEST(S7, NotSeenHeldItIsLikelyOnlyWhenNobodyElseCanAct) {
  auto patient = in_handler(10);
  patient.facts().python->locks[0].held_by.clear();
  EXPECT_EQ(classify(patient).finding.id, "S7");
  EXPECT_EQ(classify(patient).finding.confidence, Confidence::likely);
  patient.python_thread(101, "worker");
  sleeps(patient, 101, 5000);
  EXPECT_EQ(classify(patient).finding.id, "") << "it may give the lock back, or have nothing to do with it";
  patient.state(101).only_sleeps = true;
  EXPECT_EQ(classify(patient).finding.id, "S7");
}

TEST(S7, NotOutsideOfAHandler) {
  auto patient = in_handler(10);
  patient.state(100).frames.front().handler.reset();
  EXPECT_NE(classify(patient).finding.id, "S7");
}

TEST(S7, NotWhenTheWaitHasADate) {
  auto patient = in_handler(10);
  patient.thread(100).wait.timeout_ms = 500;
  EXPECT_NE(classify(patient).finding.id, "S7");
}

// A forked child of an asyncio program, asleep outside of any loop: asyncio's empty handler is still there.
TEST(S4, AForkedChildHasTheEmptyHandler) {
  Patient patient;
  sleeps(patient, 100);
  auto& signals = patient.facts().python->signals;
  signals.sigint_handler = facts::HandlerKind::function;
  signals.sigint_handler_name = "asyncio.unix_events._sighandler_noop";
  auto verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S4");
  EXPECT_EQ(verdict.ctrl_c.answer, Answer::no);
  EXPECT_EQ(verdict.ctrl_c.step, 4);
  // Up to 3.11 the byte goes into the pair that it shares with its parent.
  patient.socketpair(7, 8);
  signals.wakeup_fd = 8;
  for (auto& fd : patient.facts().kernel.fds)
    if (fd.fd == 8) fd.unix_socket->peer_holders.push_back({77, 7, "parent", true, true});
  verdict = classify(patient);
  EXPECT_EQ(verdict.finding.id, "S4");
  EXPECT_NE(verdict.finding.summary.find("process 77"), std::string::npos) << verdict.finding.summary;
}

}  // namespace
}  // namespace hang::test
