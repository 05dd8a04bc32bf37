// I5 interp-queue-orphan-poll: a thread looks at a queue or channel between interpreters every 10 ms, and nobody is
// left who could put something in.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// The main thread's poll, or that of a thread when the main one waits for it.
const facts::ThreadStateFacts* find_poller(const Case& c) {
  const auto& process = c.process;
  const auto* main = process.current_state(process.main_tid());
  if (main != nullptr && main->polling) return main;
  if (const auto joined = process.joins(process.main_tid()); joined != 0)
    if (const auto* state = process.current_state(joined); state != nullptr && state->polling) return state;
  // A main thread on a lock waits for what its threads do; where all that could do anything poll for ever, one of
  // those.
  if (c.graph.waiting(process.main_tid()).waker != Waker::none) return nullptr;
  for (auto tid : c.graph.alive_besides(process.main_tid()))
    if (const auto* state = process.current_state(tid); state != nullptr && state->polling) return state;
  return nullptr;
}

bool polls(const Process& process, std::uint64_t tid) {
  const auto* state = process.current_state(tid);
  return state != nullptr && state->polling.has_value();
}

}  // namespace

std::optional<Finding> interp_queue_orphan_poll(const Case& c) {
  const auto& process = c.process;
  const auto* state = find_poller(c);
  if (state == nullptr || state->polling->endless != true || !c.graph.main_gets_gil()) return std::nullopt;
  // Anybody who can act may have the other end: in another interpreter, or another thread of this one. Those that poll
  // such a queue themselves only wait.
  for (auto tid : c.graph.alive_besides(state->tid))
    if (!polls(process, tid)) return std::nullopt;
  const auto& polling = *state->polling;
  const auto others = process.python().interpreters.size() - 1;
  auto finding = make_finding("I5", "interp-queue-orphan-poll", Confidence::likely);
  finding.summary = fmt::format(
      "{} polls the interpreter {} for {}, every 10 ms and without a timeout: {}. {}",
      capital(process.thread_label(state->tid)), polling.what, polling.sends ? "room" : "an item",
      doing(process, state->tid),
      others == 0 ? "There is no other interpreter any more, and no thread that can act: nothing will ever come."
                  : "No thread of any other interpreter can act: nothing will ever come.");
  finding.path = c.graph.path(state->tid);
  finding.path.push_back({polling.what, "other end", {fmt::format("{} other interpreters", others)}, false});
  finding.blame.push_back(process.blame(state->tid));
  finding.advice =
      "Queues and channels between interpreters have no end-of-file: give get() a timeout, and let an interpreter put "
      "a last item before it is closed.";
  cite_wait(finding, process, state->tid);
  return finding;
}

}  // namespace hang::verdict
