#include "verdict/loop_wait.h"

#include <algorithm>
#include <fmt/format.h>

namespace hang::verdict {

using facts::LoopFacts;
using facts::WaitKind;

namespace {

bool contains(const std::vector<std::uint64_t>& list, std::uint64_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Descriptors and the timer of the loop's own wait.
void own_wait(const WaitGraph& graph, LoopWait& wait) {
  for (const auto& on : graph.waiting(wait.loop->tid).on) {
    if (on.waker == Waker::none) {
      if (on.end == End::this_process || on.end == End::gone) wait.orphans.push_back(on);
    } else if (on.waker == Waker::unknown) {
      wait.missing = fmt::format("what could make {} ready", on.what);
    } else {
      wait.wakers.push_back({on.waker, on.what, on.end});
    }
  }
}

// Other threads: they can wake the loop if they can act at all and lead to it.
void other_threads(const Process& process, const WaitGraph& graph, LoopWait& wait) {
  for (auto tid : process.python_tids()) {
    if (tid == wait.loop->tid) continue;
    const auto* state = process.current_state(tid);
    if (state != nullptr && is_busy_pool_worker(state->frames)) wait.workers.push_back(tid);
  }
  for (auto tid : graph.alive_besides(wait.loop->tid)) {
    if (contains(wait.workers, tid)) {
      wait.wakers.push_back(
          {Waker::running, fmt::format("{} works on a job that may be for this loop", process.thread_label(tid))});
    } else if (!wait.loop->wakers_searched || contains(wait.loop->wakers, tid)) {
      if (wait.loop->wakers_searched) {
        wait.wakers.push_back(
            {graph.waiting(tid).waker, fmt::format("{} can act and refers to this loop", process.thread_label(tid))});
      } else {
        wait.missing = fmt::format("whether {} can call into the loop", process.thread_label(tid));
      }
    } else {
      wait.strangers.push_back(tid);
    }
  }
}

bool is_sleep_forever(const facts::TaskFacts& task) {
  return std::any_of(task.frames.begin(), task.frames.end(), [](const facts::FrameFacts& frame) {
    return frame.function == "sleep_forever" && frame.file.find("/trio/") != std::string::npos;
  });
}

}  // namespace

std::optional<LoopWait> loop_wait(const Process& process, const WaitGraph& graph, const LoopFacts& loop) {
  const auto* thread = process.thread(loop.tid);
  if (!loop.in_selector || thread == nullptr) return std::nullopt;
  const auto kind = thread->wait.kind;
  if (kind != WaitKind::epoll && kind != WaitKind::poll && kind != WaitKind::select) return std::nullopt;
  LoopWait wait;
  wait.loop = &loop;
  wait.endless = is_endless(thread->wait);
  if (!thread->wait.timeout_ms) wait.missing = "the timeout of the loop's wait";
  own_wait(graph, wait);
  other_threads(process, graph, wait);
  if (!process.facts().kernel.fds_known)
    wait.missing = "what the loop's descriptors are and who holds their other ends";
  bool any_task = false;
  for (const auto& task : loop.tasks) {
    if (task.system) continue;
    any_task = true;
    if (is_sleep_forever(task)) wait.wants_forever = true;
  }
  wait.no_tasks = loop.tasks_known && !any_task;
  return wait;
}

namespace {

// The task that the loop's sleep is about: the one that the run function waits for, unless that waits for others.
const facts::TaskFacts* parked_task(const LoopFacts& loop) {
  const facts::TaskFacts *best = nullptr, *leaf = nullptr;
  for (const auto& task : loop.tasks) {
    if (task.system || task.frames.empty()) continue;
    if (best == nullptr || task.main) best = &task;
    const bool ours = std::any_of(task.frames.begin(), task.frames.end(),
                                  [](const auto& frame) { return !is_library_file(frame.file); });
    if (!task.waits_for_tasks && ours && (leaf == nullptr || task.main)) leaf = &task;
  }
  return leaf != nullptr ? leaf : best;
}

}  // namespace

const facts::FrameFacts* parked_frame(const LoopFacts& loop) {
  const auto* task = parked_task(loop);
  return task == nullptr ? nullptr : user_frame(task->frames);
}

std::string task_label(const LoopFacts& loop) {
  const auto* task = parked_task(loop);
  const auto* frame = parked_frame(loop);
  if (task == nullptr || frame == nullptr) return {};
  return fmt::format("task {}, parked at {}{}", task->name, frame_label(*frame),
                     task->waits_on.empty() ? "" : fmt::format(" on {}", task->waits_on));
}

}  // namespace hang::verdict
