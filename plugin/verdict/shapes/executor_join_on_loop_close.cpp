// L6 executor-join-on-loop-close: a loop that is done, or cancelled, waits for a job in a thread that will not end.
#include <algorithm>
#include <fmt/format.h>

#include "facts/names.h"
#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::LoopFacts;
using facts::TaskFacts;

// The jobs that the loop waits for, by what is known of their end.
struct Jobs {
  std::vector<std::uint64_t> stuck;  // nothing was seen that would end them
  bool sure = true;                  // false: one of them waits for a person at a terminal, or on standard input
  bool others = false;               // one runs, has a date, or waits for something that may come
};

bool waits_for_stdin(const Case& c, std::uint64_t tid) {
  const auto* thread = c.process.thread(tid);
  if (thread == nullptr || thread->wait.kind != facts::WaitKind::read || !thread->wait.fd) return false;
  const auto* fd = c.process.facts().fd(*thread->wait.fd);
  return *thread->wait.fd == 0 || (fd != nullptr && fd->type == facts::FdType::tty);
}

Jobs jobs_of(const Case& c, const std::vector<std::uint64_t>& workers) {
  Jobs jobs;
  bool none = false;
  for (const auto tid : workers) {
    const auto& waiting = c.graph.waiting(tid);
    const bool in_stdin = waits_for_stdin(c, tid);
    if (!in_stdin && waiting.waker != Waker::none && waiting.waker != Waker::unknown) {
      jobs.others = true;
      continue;
    }
    none = none || waiting.waker == Waker::none;
    jobs.sure = jobs.sure && !in_stdin && waiting.waker == Waker::none;
    jobs.stuck.push_back(tid);
  }
  if (!none && jobs.sure) jobs.sure = false;
  return jobs;
}

std::vector<std::uint64_t> busy_workers(const Case& c, std::uint64_t pool, std::string_view frames_of) {
  std::vector<std::uint64_t> tids;
  for (const auto tid : c.process.python_tids()) {
    const auto* state = c.process.current_state(tid);
    if (state == nullptr || !is_busy_pool_worker(*state) || c.process.loop_of(tid) != nullptr) continue;
    const bool ours = pool != 0 ? state->pool == pool
                                : std::any_of(state->frames.begin(), state->frames.end(), [&](const auto& frame) {
                                    return frame.file.find(frames_of) != std::string::npos;
                                  });
    if (ours) tids.push_back(tid);
  }
  return tids;
}

Finding finding_of(const Case& c, const LoopFacts& loop, const Jobs& jobs, std::string before) {
  const auto& process = c.process;
  const auto tid = jobs.stuck.front();
  auto finding = make_finding("L6", "executor-join-on-loop-close", confidence_of_sleep(process, tid));
  if (!jobs.sure && finding.confidence == Confidence::certain) finding.confidence = Confidence::likely;
  finding.summary = fmt::format("{} {}{}: a job that is {}.", std::move(before), process.thread_label(tid),
                                jobs.stuck.size() > 1 ? fmt::format(" (and {} more)", jobs.stuck.size() - 1) : "",
                                doing(process, tid));
  for (const auto stuck : jobs.stuck) {
    finding.blame.push_back(process.blame(stuck));
    const auto* at = process.current_state(stuck);
    if (const auto* line = at == nullptr ? nullptr : user_frame(at->frames))
      finding.blame.back().frame = frame_label(*line);
  }
  finding.path = c.graph.path(loop.tid);
  cite_wait(finding, process, loop.tid);
  for (const auto stuck : jobs.stuck) cite_wait(finding, process, stuck);
  return finding;
}

std::optional<Finding> asyncio_close(const Case& c, const LoopFacts& loop) {
  if (!closes_executor(c.process, loop)) return std::nullopt;
  const auto jobs = jobs_of(c, busy_workers(c, loop.executor, {}));
  if (jobs.stuck.empty() || jobs.others) return std::nullopt;
  const auto& waiting = c.graph.waiting(loop.tid);
  auto finding =
      finding_of(c, loop, jobs,
                 fmt::format("The main coroutine is done. On its way out the asyncio loop of {} waits{} in "
                             "shutdown_default_executor() for",
                             c.process.thread_label(loop.tid),
                             waiting.wakes_in_ms && *waiting.wakes_in_ms < static_cast<double>(kNothingScheduledMs)
                                 ? fmt::format(", for {} more,", duration(*waiting.wakes_in_ms))
                                 : std::string()));
  finding.advice =
      "A thread cannot be cancelled: give the blocking call a timeout, or a way to be ended (a sentinel in its queue, "
      "its event set, its socket closed) before the coroutine returns. What may be left behind belongs in a daemon "
      "thread of its own.";
  return finding;
}

// trio: a cancelled task waits for a thread that it may not abandon; or nothing is left but that thread.
std::optional<Finding> trio_thread(const Case& c, const LoopFacts& loop) {
  if (loop.kind != facts::LoopKind::trio || !loop.in_selector || loop.ready.value_or(1) != 0) return std::nullopt;
  const TaskFacts* waits = nullptr;
  for (const auto& task : loop.tasks)
    if (task.unstoppable == true && (waits == nullptr || task.cancels.value_or(0) > 0)) waits = &task;
  if (waits == nullptr) return std::nullopt;
  const auto jobs = jobs_of(c, busy_workers(c, 0, "trio/_core/_thread_cache.py"));
  if (jobs.stuck.empty() || jobs.others) return std::nullopt;
  const bool cancelled = waits->cancels.value_or(0) > 0;
  if (!cancelled) {
    // Before any cancellation the loop may have other things to do; here it has none.
    const auto wait = loop_wait(c.process, c.graph, loop);
    const bool only_jobs = wait && wait->endless && wait->wakers.empty() && !wait->missing && !wait->wants_forever;
    if (!only_jobs || !jobs.sure) return std::nullopt;
  }
  auto finding = finding_of(
      c, loop, jobs,
      fmt::format("Task {} of the trio loop of {} {} for a thread that it may not abandon,", waits->name,
                  c.process.thread_label(loop.tid), cancelled ? "was cancelled, and waits all the same" : "waits"));
  if (!cancelled && finding.confidence == Confidence::certain) finding.confidence = Confidence::likely;
  finding.advice =
      "Give the blocking call a timeout or a way to be ended, or let the thread be left behind: "
      "trio.to_thread.run_sync(f, abandon_on_cancel=True) (`cancellable=True` before trio 0.23). A long job can ask "
      "trio.from_thread.check_cancelled().";
  return finding;
}

}  // namespace

std::optional<Finding> executor_join_on_loop_close(const Case& c) {
  const auto& process = c.process;
  if (!c.graph.main_gets_gil()) return std::nullopt;
  const bool main_busy = c.graph.waiting(process.main_tid()).waker == Waker::running;
  for (const auto& loop : process.python().loops) {
    if (loop.tid != process.main_tid() && main_busy) continue;
    if (auto finding = asyncio_close(c, loop)) return finding;
    if (auto finding = trio_thread(c, loop)) return finding;
  }
  return std::nullopt;
}

}  // namespace hang::verdict
