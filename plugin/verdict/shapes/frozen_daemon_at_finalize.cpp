// I4 frozen-daemon-at-finalize: CPython is being finalized, so that daemon threads run no more, and the main thread
// waits for a lock that only they could release.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

const facts::ThreadStateFacts* holder_of(const Process& process, const facts::LockFacts* lock) {
  if (lock != nullptr)
    for (const auto& holder : lock->held_by)
      if (const auto* state = process.facts().thread_state(holder.tstate);
          state != nullptr && state->tid != process.main_tid())
        return state;
  return nullptr;
}

}  // namespace

std::optional<Finding> frozen_daemon_at_finalize(const Case& c) {
  const auto& process = c.process;
  const auto main = process.main_tid();
  const auto* thread = process.main_thread();
  if (process.python().finalizing != true || thread == nullptr || process.closes(main) != nullptr) return std::nullopt;
  if (thread->wait.kind != facts::WaitKind::futex || c.graph.waiting(main).waker != Waker::none ||
      process.waits_for_gil(main))
    return std::nullopt;
  const auto* lock = process.lock_of(main);
  const auto* holder = holder_of(process, lock);
  if (lock != nullptr && holder == nullptr && !lock->held_by.empty()) return std::nullopt;  // it holds the lock itself
  auto finding = make_finding("I4", "frozen-daemon-at-finalize",
                              lock != nullptr ? confidence_of_sleep(process, main) : Confidence::likely);
  finding.summary = fmt::format(
      "CPython is being finalized and the main thread waits for {}: {}. {} No other thread runs Python code any more: "
      "once finalization has begun, daemon threads stop where they stand, with the locks that they hold.",
      c.graph.waiting(main).on.front().what, doing(process, main),
      holder != nullptr ? fmt::format("{} holds it.", capital(process.thread_label(holder->tid))) : std::string());
  finding.path = c.graph.path(main);
  finding.blame.push_back(process.blame(main));
  if (holder != nullptr) finding.blame.insert(finding.blame.begin(), process.blame(holder->tid));
  finding.advice =
      "Take no locks in __del__, weakref callbacks and other code that runs while the interpreter ends; or stop and "
      "join the daemon threads before the program ends (an atexit function that sets an event).";
  cite(finding, process.facts(), "runtime.finalizing");
  cite_wait(finding, process, main);
  return finding;
}

}  // namespace hang::verdict
