// L9 lost-wakeup-primitive: what a task waits for is there by the primitive's own state, and nobody told the task.
#include <fmt/format.h>

#include "facts/names.h"
#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// The loop sleeps with nothing queued: a task that could go on would stand in its queue by now.
bool sleeps(const Case& c, const facts::LoopFacts& loop) {
  const auto* thread = c.process.thread(loop.tid);
  return loop.in_selector && loop.ready == 0 && thread != nullptr && thread->wait.kind != facts::WaitKind::none &&
         thread->wait.kind != facts::WaitKind::unknown && !wakes_soon(c.graph.waiting(loop.tid));
}

Finding found(const Case& c, const facts::LoopFacts& loop, const facts::TaskFacts& task) {
  const auto* frame = user_frame(task.frames);
  auto finding = make_finding("L9", "lost-wakeup-primitive", confidence_of_sleep(c.process, loop.tid));
  finding.summary = fmt::format(
      "Task {} of the {} loop of {} waits at {} for {}. It could go on, but it is not among the loop's ready tasks, "
      "and "
      "the loop sleeps: its wake-up was lost.",
      task.name, name_of(loop.kind), c.process.thread_label(loop.tid), frame ? frame_label(*frame) : "?",
      parked_words(loop, task));
  finding.path = c.graph.task_path(task.object);
  auto blame = c.process.blame(loop.tid);
  if (frame != nullptr) blame.frame = frame_label(*frame);
  finding.blame.push_back(std::move(blame));
  finding.advice =
      "If another thread touched the object, go through loop.call_soon_threadsafe (asyncio) or trio.from_thread. Else "
      "it is a bug of the library that a newer version may have repaired: see hang explain L9. Bound the wait.";
  cite_wait(finding, c.process, loop.tid);
  return finding;
}

}  // namespace

std::optional<Finding> lost_wakeup_primitive(const Case& c) {
  const auto& process = c.process;
  if (!c.graph.main_gets_gil()) return std::nullopt;
  const bool main_stuck = c.graph.waiting(process.main_tid()).waker >= Waker::signal;
  for (const auto& loop : process.python().loops) {
    if (!sleeps(c, loop) || (loop.tid != process.main_tid() && !main_stuck)) continue;
    for (const auto& task : loop.tasks)
      if (!task.system && task.parked.available == true && user_frame(task.frames) != nullptr)
        return found(c, loop, task);
  }
  return std::nullopt;
}

}  // namespace hang::verdict
