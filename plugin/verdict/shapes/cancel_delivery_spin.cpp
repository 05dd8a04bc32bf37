// L7 cancel-delivery-spin: anyio tells a task again and again that it is cancelled, and the task cannot take it.
#include <algorithm>
#include <fmt/format.h>

#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::LoopFacts;
using facts::TaskFacts;

// It uses the processor; one sample must at least show it awake.
bool spins(const Case& c, const LoopFacts& loop) {
  const auto* watch = c.process.facts().thread_watch(loop.tid);
  const double ms = c.process.facts().watch.ms;
  if (watch != nullptr && ms > 0) return is_busy(*watch, ms);
  const auto* thread = c.process.thread(loop.tid);
  return thread != nullptr && (thread->wait.kind == facts::WaitKind::none || thread->wait.timeout_ms == 0);
}

// The task that does not take it: one of the scope that sleeps; one that only waits for the others comes last.
const TaskFacts* refusing(const LoopFacts& loop, const facts::CancelScopeFacts& scope) {
  const TaskFacts* found = nullptr;
  for (const auto object : scope.tasks) {
    const auto* task = find_task(loop, object);
    if (task == nullptr || user_frame(task->frames) == nullptr) continue;
    const bool waits_for_others = std::any_of(task->frames.begin(), task->frames.end(), [](const auto& frame) {
      return frame.function.ends_with("TaskGroup.__aexit__");
    });
    if (found == nullptr || !waits_for_others) found = task;
    if (!waits_for_others) break;
  }
  return found;
}

Finding finding_of(const Case& c, const LoopFacts& loop, const facts::CancelScopeFacts& scope) {
  const auto& process = c.process;
  const bool watched = process.facts().watch.ms > 0;
  auto finding = make_finding("L7", "cancel-delivery-spin", watched ? Confidence::certain : Confidence::possible);
  const auto* task = refusing(loop, scope);
  const auto* frame = task == nullptr ? nullptr : user_frame(task->frames);
  finding.summary = fmt::format(
      "The asyncio loop of {} spins: an anyio cancel scope was cancelled, and tells its tasks so in every turn of the "
      "loop, but {}.",
      process.thread_label(loop.tid),
      frame == nullptr ? fmt::format("none of the {} tasks in it that are left can take it", scope.tasks.size())
                       : fmt::format("task {} does not take it; it waits at {} for {}", task->name, frame_label(*frame),
                                     parked_words(loop, *task)));
  finding.path = c.graph.path(loop.tid);
  finding.blame.push_back(process.blame(loop.tid));
  if (frame != nullptr) finding.blame.back().frame = frame_label(*frame);
  finding.advice =
      "Upgrade anyio (since 4.14.2 tasks that are done are skipped). Do not await what refuses to be cancelled (a "
      "future whose cancel() returns False), and leave scopes and task groups in the reverse order of entering them, "
      "in the task that entered them.";
  cite_kernel(finding, fmt::format("CancelScope._cancel_called at {}", RemoteAddr(scope.object).hex()), "True",
              facts::Source::table);
  cite_kernel(finding, "CancelScope._cancel_handle", "set: the next delivery is queued", facts::Source::table);
  cite_kernel(finding, "len(CancelScope._tasks)", std::to_string(scope.tasks.size()), facts::Source::table);
  if (const auto* watch = process.facts().thread_watch(loop.tid); watch != nullptr && watched)
    cite_kernel(
        finding, "CPU time during the watch",
        fmt::format("{} of {}", duration(static_cast<double>(watch->cpu_ns) / 1e6), duration(process.facts().watch.ms)),
        facts::Source::procfs);
  return finding;
}

}  // namespace

std::optional<Finding> cancel_delivery_spin(const Case& c) {
  for (const auto& loop : c.process.python().loops)
    for (const auto& scope : loop.cancel_scopes)
      if (scope.delivering && spins(c, loop)) return finding_of(c, loop, scope);
  return std::nullopt;
}

}  // namespace hang::verdict
