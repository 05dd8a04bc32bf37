// L5 unwoken-loop: work stands in the queue of a loop that sleeps in its selector, and nobody woke it.
#include <algorithm>
#include <fmt/format.h>

#include "facts/names.h"
#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::LoopFacts;
using facts::QueuedFacts;

// What stands first in the queue and was not cancelled; null if nothing does.
const QueuedFacts* first_queued(const LoopFacts& loop) {
  const auto found = std::find_if(loop.queued.begin(), loop.queued.end(),
                                  [](const QueuedFacts& queued) { return queued.cancelled != true; });
  return found == loop.queued.end() ? nullptr : &*found;
}

// Unread bytes in the loop's own pair; absent where that is not known.
std::optional<std::uint64_t> unread(const Case& c, const LoopFacts& loop) {
  const auto* reader = loop.wakeup_reader ? c.process.facts().fd(*loop.wakeup_reader) : nullptr;
  return reader != nullptr && reader->unix_socket ? reader->unix_socket->rqueue : std::nullopt;
}

// A loop looks into its queue before it computes how long it may sleep: with work there it would not sleep at all. The
// moment between the queueing and the byte that wakes it looks the same, so it must be seen to sleep on.
bool sleeps_on(const Case& c, const LoopFacts& loop) {
  const auto* thread = c.process.thread(loop.tid);
  if (!loop.in_selector || loop.is_guest == true || thread == nullptr) return false;
  const auto kind = thread->wait.kind;
  if (kind != facts::WaitKind::epoll && kind != facts::WaitKind::poll && kind != facts::WaitKind::select) return false;
  const auto& waiting = c.graph.waiting(loop.tid);
  if (waiting.waker == Waker::running || wakes_soon(waiting) || !thread->wait.timeout_ms) return false;
  const auto bytes = unread(c, loop);
  if (bytes.value_or(0) > 0) return false;
  const auto* watch = c.process.facts().thread_watch(loop.tid);
  if (watch != nullptr && c.process.facts().watch.ms > 0)
    return !watch->wait_changed && watch->running_reads == 0 && watch->voluntary_switches == 0;
  // One sample of a process that is not held: only where the missing byte was seen, or everything was at rest.
  return bytes.has_value() || c.process.facts().target.kind == facts::TargetKind::core;
}

struct Work {
  std::string words, frame;  // "a step of task fetch at f, app.py:12"; the frame alone
};

Work describe(const LoopFacts& loop, const QueuedFacts& queued) {
  if (queued.task != 0) {
    const auto* task = find_task(loop, queued.task);
    if (task == nullptr) return {"a step of a task", ""};
    const auto* frame = user_frame(task->frames);
    return {fmt::format("the next step of task {}{}", task->name, frame ? ", " + frame_label(*frame) : ""),
            frame ? frame_label(*frame) : ""};
  }
  if (queued.file.empty()) return {fmt::format("the call {}", queued.what.empty() ? "?" : queued.what), ""};
  facts::FrameFacts frame;
  frame.function = queued.what.substr(queued.what.rfind('.') + 1);
  frame.file = queued.file;
  frame.line = queued.line;
  return {fmt::format("the call {}", frame_label(frame)), is_library_file(queued.file) ? "" : frame_label(frame)};
}

// Who waits for that, or handed it over: threads that sleep without a date and lead to the loop, the main thread first.
std::vector<std::uint64_t> involved(const Case& c, const LoopFacts& loop) {
  constexpr std::size_t kMost = 3;
  std::vector<std::uint64_t> tids;
  for (const auto tid : c.process.python_tids())
    if (tids.size() < kMost && tid != loop.tid &&
        std::find(loop.wakers.begin(), loop.wakers.end(), tid) != loop.wakers.end())
      tids.push_back(tid);
  return tids;
}

Finding finding_of(const Case& c, const LoopFacts& loop, const QueuedFacts& queued) {
  const auto& process = c.process;
  auto finding = make_finding("L5", "unwoken-loop", confidence_of_sleep(process, loop.tid));
  if (!unread(c, loop)) finding.confidence = std::max(finding.confidence, Confidence::likely);
  const auto work = describe(loop, queued);
  const auto* thread = process.thread(loop.tid);
  finding.summary = fmt::format(
      "The {} loop of {} has {} in its queue{}, and sleeps beside it {}: another thread queued it without waking the "
      "loop.",
      name_of(loop.kind), process.thread_label(loop.tid), work.words,
      loop.ready.value_or(1) > 1 ? fmt::format(" and {} more", *loop.ready - 1) : "",
      is_endless(thread->wait)
          ? std::string("without a timeout")
          : fmt::format("for up to {}", duration(static_cast<double>(thread->wait.timeout_ms.value_or(0)))));
  auto blame = process.blame(loop.tid);
  if (!work.frame.empty()) {
    blame.frame = work.frame;
  } else if (const auto* frame = parked_frame(loop)) {
    blame.frame = frame_label(*frame);
  }
  finding.blame.push_back(std::move(blame));
  for (const auto tid : involved(c, loop)) finding.blame.push_back(process.blame(tid));
  finding.path = c.graph.path(loop.tid);
  finding.advice =
      loop.kind == facts::LoopKind::trio
          ? "From another thread go through trio.from_thread.run_sync or TrioToken.run_sync_soon."
          : "From another thread use loop.call_soon_threadsafe(...) or asyncio.run_coroutine_threadsafe(...), for "
            "Future.set_result, Queue.put_nowait and loop.stop too. PYTHONASYNCIODEBUG=1 makes many such calls raise "
            "where they are made.";
  cite_wait(finding, process, loop.tid);
  cite_kernel(finding, loop.kind == facts::LoopKind::trio ? "len(runner.runq)" : "len(loop._ready)",
              std::to_string(loop.ready.value_or(0)), facts::Source::table);
  if (const auto bytes = unread(c, loop))
    cite_kernel(finding, fmt::format("unread bytes in its wakeup fd {}", *loop.wakeup_reader), std::to_string(*bytes),
                facts::Source::sock_diag);
  return finding;
}

}  // namespace

std::optional<Finding> unwoken_loop(const Case& c) {
  const auto& process = c.process;
  if (!c.graph.main_gets_gil()) return std::nullopt;
  const bool main_busy = c.graph.waiting(process.main_tid()).waker == Waker::running;
  for (const auto& loop : process.python().loops) {
    if ((loop.tid != process.main_tid() && main_busy) || loop.ready.value_or(0) == 0) continue;
    const auto* queued = first_queued(loop);
    if (queued != nullptr && sleeps_on(c, loop)) return finding_of(c, loop, *queued);
  }
  return std::nullopt;
}

}  // namespace hang::verdict
