// L3 loop-blocked-by-sync-call: user code on a loop's thread makes a blocking call, so the loop does not turn.
#include <fmt/format.h>

#include "facts/names.h"
#include "verdict/inherited_loop.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::WaitKind;

// Shorter blocking calls are a nuisance, not a hang; the deadline of the call itself is read, so this is no guess.
constexpr double kLongMs = 1000;

bool matches(const Case& c, const facts::LoopFacts& loop, Confidence& confidence) {
  const auto& process = c.process;
  if (loop.in_selector || !loop.user_frame || process.is_inherited(loop) || may_be_inherited(process, loop))
    return false;
  const auto* thread = process.thread(loop.tid);
  if (thread == nullptr || thread->wait.kind == WaitKind::none || thread->wait.kind == WaitKind::unknown) return false;
  if (process.waits_for_gil(loop.tid)) return false;  // it would run if it got the GIL: S1, G3 or N2
  const auto& waiting = c.graph.waiting(loop.tid);
  if (waiting.waker == Waker::running) return false;
  if (waiting.wakes_in_ms && *waiting.wakes_in_ms < kLongMs) return false;
  confidence = Confidence::likely;
  const auto* watch = process.facts().thread_watch(loop.tid);
  if (process.facts().watch.ms <= 0 || watch == nullptr) {
    // A single sample: a call with a date far away is as good as seen; an undated one may just have begun.
    if (!waiting.wakes_in_ms) confidence = Confidence::possible;
    return true;
  }
  const bool still = !watch->wait_changed && watch->running_reads == 0;
  if (still && (waiting.wakes_in_ms || process.facts().watch.ms >= 400)) confidence = Confidence::certain;
  return still;
}

// Bytes that somebody sent to this process and that it does not read, while the main thread's loop waits for an answer
// at the other end: "6 bytes lie unread in fd 7, ...".
std::string unread_words(const Case& c) {
  std::string words;
  for (const auto& on : c.graph.waiting(c.process.main_tid()).on) {
    if (on.fd < 0 || on.end != End::this_process) continue;
    for (const int ours : other_end(c.process, on.fd).our_fds) {
      const auto* fd = c.process.facts().fd(ours);
      const auto unread = fd != nullptr && fd->unix_socket ? fd->unix_socket->rqueue
                          : fd != nullptr && fd->pipe      ? fd->pipe->unread
                                                           : std::nullopt;
      if (unread.value_or(0) == 0) continue;
      words +=
          fmt::format(" {} bytes lie unread in fd {}; the main thread waits at the other end, fd {}, for an answer.",
                      *unread, ours, on.fd);
    }
  }
  return words;
}

}  // namespace

std::optional<Finding> loop_blocked_by_sync_call(const Case& c) {
  const auto& process = c.process;
  for (const auto& loop : process.python().loops) {
    Confidence confidence{};
    if (!matches(c, loop, confidence)) continue;
    // Another thread's loop is to blame only if the main thread cannot go on by itself either.
    if (loop.tid != process.main_tid() && c.graph.waiting(process.main_tid()).waker < Waker::unknown) continue;
    const auto* state = process.facts().thread_state(loop.tstate);
    if (state == nullptr || *loop.user_frame < 0 || *loop.user_frame >= static_cast<int>(state->frames.size()))
      continue;
    const auto& frame = state->frames[*loop.user_frame];
    const auto& waiting = c.graph.waiting(loop.tid);
    auto finding = make_finding("L3", "loop-blocked-by-sync-call", confidence);
    if (loop.tid != process.main_tid())
      finding.seed_class = loop.interpreter != 0 ? std::optional<int>(2) : std::nullopt;
    finding.summary =
        fmt::format("The {} loop of {} (interpreter {}) does not turn: {} blocks it in {}, waiting for {}{}.",
                    name_of(loop.kind), process.thread_label(loop.tid), loop.interpreter, frame_label(frame),
                    process.thread(loop.tid)->wait.name, waiting.on.empty() ? "something" : waiting.on.front().what,
                    loop.ready.value_or(0) > 0
                        ? fmt::format("; {} ready and cannot run",
                                      *loop.ready == 1 ? "1 callback is" : fmt::format("{} callbacks are", *loop.ready))
                        : "");
    finding.path = c.graph.path(loop.tid);
    if (loop.tid != process.main_tid()) {
      // What the main thread waits for is the consequence.
      finding.summary += unread_words(c);
      for (auto& edge : c.graph.path(process.main_tid())) finding.path.push_back(std::move(edge));
    }
    finding.blame.push_back(process.blame(loop.tid));
    finding.blame.back().frame = frame_label(frame);
    finding.blame.back().fd = process.thread(loop.tid)->wait.fd;
    finding.advice = fmt::format(
        "Do not block in a task: use the framework's own way to wait, or move the call to a thread ({}), and give it a "
        "timeout.",
        loop.kind == facts::LoopKind::trio ? "trio.to_thread.run_sync" : "asyncio.to_thread");
    cite_wait(finding, process, loop.tid);
    return finding;
  }
  return std::nullopt;
}

}  // namespace hang::verdict
