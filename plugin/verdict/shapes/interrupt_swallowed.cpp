// S6 interrupt-swallowed: the interrupt got to Python, and died on its way to the top: caught as a cancellation, held
// back by a shielded scope, or raised inside a finalizer, from where nothing gets out.
#include <algorithm>
#include <fmt/format.h>

#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

const facts::FrameFacts* line_of(const facts::TaskFacts& task) {
  return user_frame(task.frames);
}

Finding task_finding(const Case& c, const facts::LoopFacts& loop, const facts::TaskFacts& task, Confidence confidence,
                     std::string summary, std::string advice) {
  auto finding = make_finding("S6", "interrupt-swallowed", confidence);
  finding.summary = std::move(summary);
  finding.path = c.graph.path(loop.tid);
  auto blame = c.process.blame(loop.tid);
  if (const auto* frame = line_of(task)) blame.frame = frame_label(*frame);
  finding.blame.push_back(std::move(blame));
  finding.advice = std::move(advice);
  cite(finding, c.process.facts(), "signals.is_tripped");
  cite(finding, c.process.facts(), "signals.handlers.2.func");
  cite_wait(finding, c.process, loop.tid);
  return finding;
}

// The loop sleeps, and not for a moment only.
bool parked(const Case& c, const facts::LoopFacts& loop) {
  return loop.in_selector && loop.ready.value_or(0) == 0 && !wakes_soon(c.graph.waiting(loop.tid));
}

// asyncio.run is over, for whatever reason, and waits for the tasks that it has cancelled (Lib/asyncio/runners.py).
bool cancels_all_tasks(const Case& c) {
  const auto* state = c.process.current_state(c.process.main_tid());
  return state != nullptr && std::any_of(state->frames.begin(), state->frames.end(), [](const auto& frame) {
           return frame.function == "_cancel_all_tasks" && frame.file.ends_with("asyncio/runners.py");
         });
}

// asyncio.run: the first SIGINT cancelled the main task. A task that was asked to end, does not handle the cancellation
// any more, and waits again, has swallowed it.
std::optional<Finding> swallowed_cancel(const Case& c, const facts::LoopFacts& loop) {
  const auto& signals = c.process.python().signals;
  const bool interrupted = signals.runner_interrupt_count.value_or(0) > 0;
  if (loop.kind != facts::LoopKind::asyncio || (!interrupted && !cancels_all_tasks(c))) return std::nullopt;
  for (const auto& task : loop.tasks) {
    if (task.cancels.value_or(0) < 1 || task.handles_cancel != false || task.waits_for_tasks ||
        line_of(task) == nullptr)
      continue;
    auto finding = task_finding(
        c, loop, task, Confidence::likely,
        fmt::format("{}, but task {} caught the cancellation, went on, and waits again at {}.",
                    interrupted ? "SIGINT arrived and asyncio.run cancelled the main task"
                                : "asyncio.run ends, has cancelled its tasks and waits for them",
                    task.name, frame_label(*line_of(task))),
        "Re-raise asyncio.CancelledError after cleaning up; never `except BaseException: pass` or contextlib.suppress "
        "around an await. If the task is meant to go on, call Task.uncancel() (3.11+).");
    if (interrupted)
      cite_kernel(finding, "Runner._interrupt_count", std::to_string(*signals.runner_interrupt_count),
                  facts::Source::table);
    cite_kernel(finding, "Task.cancelling() of " + task.name, std::to_string(*task.cancels), facts::Source::table);
    return finding;
  }
  return std::nullopt;
}

// trio: a scope around the task was cancelled, by Ctrl-C or by the program, and a shield keeps it from the task.
std::optional<Finding> shielded(const Case& c, const facts::LoopFacts& loop) {
  if (loop.kind != facts::LoopKind::trio) return std::nullopt;
  // Before any signal: nothing but Ctrl-C could end this wait, and the shield would keep that out.
  const auto wait = loop_wait(c.process, c.graph, loop);
  const bool would = c.ctrl_c.step == 7 && c.ctrl_c.answer == Answer::no && wait && wait->endless &&
                     wait->wakers.empty() && wait->workers.empty();
  for (const auto& task : loop.tasks) {
    const bool cancelled = task.cancels.value_or(0) > 0;
    if (task.system || task.shielded != true || task.waits_for_tasks || line_of(task) == nullptr ||
        (!cancelled && !would))
      continue;
    return task_finding(
        c, loop, task, cancelled ? Confidence::likely : Confidence::possible,
        fmt::format(
            "The tasks of the trio loop {} cancelled, as Ctrl-C does, but task {} waits at {} inside a cancel scope "
            "with shield=True, which keeps the cancellation out; everything waits for that task.",
            cancelled ? "were" : "can be", task.name, frame_label(*line_of(task))),
        "Give the shielded scope a deadline: `with trio.move_on_after(SECONDS, shield=True)`; keep shields around "
        "short cleanup only.");
  }
  return std::nullopt;
}

// An exception cannot leave a finalizer: CPython prints "Exception ignored in" and goes on.
std::optional<Finding> in_finalizer(const Case& c) {
  const auto& process = c.process;
  const auto main = process.main_tid();
  const auto* state = process.current_state(main);
  const auto* thread = process.main_thread();
  const auto frame = state == nullptr ? std::nullopt : finalizer_frame(*state);
  const auto* interpreter = process.main_interpreter();
  constexpr double kSlowMs = 10'000;  // one that sleeps no longer is slow, and the program goes on by itself
  // Once CPython is being finalized, SIGINT has the kernel's default action again.
  if (process.python().finalizing == true) return std::nullopt;
  if (!frame || thread == nullptr || interpreter == nullptr || state->interpreter != interpreter->id)
    return std::nullopt;
  const auto kind = thread->wait.kind;
  const auto& waiting = c.graph.waiting(main);
  // In a futex it may wait for a lock that the interrupted code holds (K2): that is another bug.
  if (kind == facts::WaitKind::none || kind == facts::WaitKind::unknown || kind == facts::WaitKind::futex ||
      (waiting.waker == Waker::timer && waiting.wakes_in_ms && *waiting.wakes_in_ms <= kSlowMs))
    return std::nullopt;
  const auto& finalizer = state->frames[*frame];
  auto finding = make_finding("S6", "interrupt-swallowed", confidence_of_sleep(process, main));
  finding.summary = fmt::format(
      "The main thread sleeps inside the finalizer {}: {}. A KeyboardInterrupt raised in there is printed as "
      "\"Exception "
      "ignored in\" and dropped: Ctrl-C ends that one wait and never reaches the program.",
      frame_label(finalizer), doing(process, main));
  finding.path = c.graph.path(main);
  auto blame = process.blame(main);
  blame.frame = frame_label(finalizer);
  finding.blame.push_back(std::move(blame));
  finding.advice =
      "Do not wait in __del__: close the resource explicitly (a context manager, close()), and let __del__ at most "
      "warn.";
  cite_wait(finding, process, main);
  return finding;
}

// A handler of the program takes the interrupt and the same wait begins anew. Before any signal that alone is no hang:
// it is one if nothing but Ctrl-C could have ended the wait.
std::optional<Finding> caught(const Case& c) {
  const auto& process = c.process;
  const auto main = process.main_tid();
  const auto* taken = process.caught_interrupt();
  const auto* thread = process.main_thread();
  if (taken == nullptr || !taken->resumes || thread == nullptr || c.ctrl_c.answer != Answer::no || c.ctrl_c.step != 7 ||
      process.loop_of(main) != nullptr)
    return std::nullopt;
  const auto& waiting = c.graph.waiting(main);
  const bool nobody = waiting.waker == Waker::none || waiting.waker == Waker::signal;
  if (!is_endless(thread->wait) || !nobody || !c.graph.alive_besides(main).empty() ||
      !c.graph.deadlock_of(main).empty())
    return std::nullopt;
  const std::string where = frame_label(handler_line(*process.current_state(main), *taken));
  auto finding = make_finding("S6", "interrupt-swallowed", Confidence::possible);
  finding.summary = fmt::format(
      "The main thread waits without end: {}. A KeyboardInterrupt raised there is caught by {} in {}, and then it "
      "waits there again: Ctrl-C never ends the program.",
      doing(process, main), taken->by, where);
  finding.path = c.graph.path(main);
  auto blame = process.blame(main);
  blame.frame = where;
  finding.blame.push_back(std::move(blame));
  finding.advice =
      "Catch Exception, not BaseException, around a wait in a loop; or leave the loop, or `raise` again, when it is a "
      "KeyboardInterrupt.";
  cite(finding, process.facts(), "signals.handlers.2.func");
  cite_wait(finding, process, main);
  return finding;
}

}  // namespace

std::optional<Finding> interrupt_swallowed(const Case& c) {
  if (!c.graph.main_gets_gil()) return std::nullopt;
  if (auto finding = in_finalizer(c)) return finding;
  if (auto finding = caught(c)) return finding;
  const auto* loop = c.process.loop_of(c.process.main_tid());
  if (loop == nullptr || !parked(c, *loop)) return std::nullopt;
  if (auto finding = swallowed_cancel(c, *loop)) return finding;
  return shielded(c, *loop);
}

}  // namespace hang::verdict
