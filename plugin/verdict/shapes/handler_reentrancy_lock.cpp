// S7 handler-reentrancy-lock: a Python signal handler, which runs on the main thread between two bytecodes, takes a
// lock that the code it interrupted already holds.
#include <algorithm>
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// Index of the frame of the state, outside of the handler, that holds the lock; nothing if none was seen to.
std::optional<std::size_t> interrupted_holder(const facts::LockFacts* lock, const facts::ThreadStateFacts& state,
                                              std::size_t handler) {
  if (lock != nullptr)
    for (const auto& holder : lock->held_by)
      if (holder.tstate == state.address && holder.frame > handler && holder.frame < state.frames.size())
        return holder.frame;
  return std::nullopt;
}

// A frame outside of the handler that knows the lock by a name.
std::optional<std::size_t> interrupted_user(const facts::LockFacts* lock, std::size_t handler) {
  if (lock != nullptr)
    for (auto frame : lock->named_by)
      if (frame > handler) return frame;
  return std::nullopt;
}

}  // namespace

std::optional<Finding> handler_reentrancy_lock(const Case& c) {
  const auto& process = c.process;
  const auto main = process.main_tid();
  const auto* state = process.current_state(main);
  const auto* thread = process.main_thread();
  const auto handler = state == nullptr ? std::nullopt : handler_frame(*state);
  if (!handler || thread == nullptr || thread->wait.kind != facts::WaitKind::futex || process.waits_for_gil(main))
    return std::nullopt;
  if (c.graph.waiting(main).waker != Waker::none) return std::nullopt;  // it gives up by itself
  const auto* lock = process.lock_of(main);
  const auto holder = interrupted_holder(lock, *state, *handler);
  const auto user = interrupted_user(lock, *handler);
  // Not seen to be held by the interrupted code, it may be held by another thread: one that was seen to, or can act.
  const auto others = c.graph.alive_besides(main);
  const bool idle = std::all_of(others.begin(), others.end(), [&](auto tid) {
    const auto* other = process.current_state(tid);
    return other != nullptr && other->only_sleeps == true;  // nothing in its code could release a lock
  });
  const bool alone = idle && (lock == nullptr || lock->held_by.empty());
  if (!holder && !(user && alone)) return std::nullopt;
  const auto& frame = state->frames[*handler];
  const auto& interrupted = state->frames[holder ? *holder : *user];
  auto finding =
      make_finding("S7", "handler-reentrancy-lock", holder ? confidence_of_sleep(process, main) : Confidence::likely);
  finding.summary = fmt::format(
      "The handler of {}, {}, runs on the main thread on top of the code that it interrupted, and waits for {}: that "
      "code {} it in {} and cannot go on before the handler returns.",
      signal_name(*frame.handler), frame_label(frame), c.graph.waiting(main).on.front().what, holder ? "holds" : "uses",
      frame_label(interrupted));
  finding.path = c.graph.path(main);
  finding.path.push_back({frame_label(interrupted),
                          "is interrupted by the handler " + frame_label(frame),
                          {fmt::format("handlers[{}].func, called by the interpreter", *frame.handler)},
                          true});
  auto blame = process.blame(main);
  blame.frame = frame_label(*user_frame(state->frames));
  finding.blame.push_back(std::move(blame));
  finding.advice =
      "A signal handler must not take a lock that the program takes too: logging, queue.Queue.put, threading.Event.set "
      "and Condition all do. Set a flag or write a byte to a pipe in the handler and do the work in the main loop "
      "(queue.SimpleQueue.put and os.write are safe in a handler).";
  cite_wait(finding, process, main);
  cite(finding, process.facts(), "signals.is_tripped");
  return finding;
}

}  // namespace hang::verdict
