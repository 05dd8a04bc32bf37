// N3 idle-by-design: the process waits for something that can still come, and that something was seen.
#include <algorithm>
#include <fmt/format.h>

#include "facts/names.h"
#include "verdict/inherited_loop.h"
#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

struct Proof {
  std::string words;
  Confidence confidence = Confidence::likely;
};

// How good a proof of idleness the end of a wait is.
std::optional<Proof> proof_of(const Waiting& waiting) {
  std::optional<Proof> best;
  auto offer = [&](std::string words, Confidence confidence) {
    if (!best || confidence < best->confidence) best = Proof{std::move(words), confidence};
  };
  for (const auto& on : waiting.on) {
    switch (on.end) {
      case End::listening:
      case End::human: offer(on.what, Confidence::certain); continue;
      case End::outside: offer(on.what, Confidence::likely); continue;
      case End::timer: offer(on.what, Confidence::certain); continue;
      case End::other_process: continue;  // whether that process will act is a question of its own (B2, P6)
      default: break;
    }
    if (on.waker == Waker::timer) offer(on.what, Confidence::certain);
    if (on.waker == Waker::signal) offer(on.what, Confidence::likely);
  }
  return best;
}

// asyncio: all that the loop has are handlers of signals, and one of them leads to what the main task waits for.
bool handler_ends_it(const LoopWait& wait) {
  const auto& loop = *wait.loop;
  const auto* task = parked_task(loop);
  return !loop.signal_handlers.empty() && task != nullptr && wait.endless && !wait.missing && wait.wakers.empty() &&
         wait.workers.empty() && loop.ready == 0 && loop.scheduled == 0 &&
         std::find(task->parked.could_end.begin(), task->parked.could_end.end(), 0U) != task->parked.could_end.end();
}

// A loop asleep in its selector: its registered descriptors, or a live thread that leads to it.
std::optional<Proof> loop_proof(const Case& c, const facts::LoopFacts& loop) {
  auto wait = loop_wait(c.process, c.graph, loop);
  if (!wait || loop.object == 0 || !loop.tasks_known) return std::nullopt;
  if (is_turning(c.graph.waiting(loop.tid))) return std::nullopt;  // caught between two turns: busy, not idle
  // On its way out, and the job that it waits for cannot be seen: that may be L6, whatever date the wait has.
  if (!wait->unread.empty() && closes_executor(c.process, loop)) return std::nullopt;
  if (auto proof = proof_of(c.graph.waiting(loop.tid))) return proof;
  if (wait->wants_forever)
    return Proof{"a task that sleeps for ever on purpose (trio.sleep_forever)", Confidence::likely};
  if (wait->no_tasks && wait->endless)
    return Proof{"work from outside: the loop runs for ever and has no task", Confidence::likely};
  if (waits_for_signal(loop)) return Proof{"a signal (trio.open_signal_receiver)", Confidence::likely};
  if (handler_ends_it(*wait))
    return Proof{fmt::format("a signal: the loop's handler of {} leads to what its task waits for",
                             signal_name(loop.signal_handlers.front())),
                 Confidence::likely};
  for (const auto& waker : wait->wakers) {
    if (waker.kind == Waker::unknown) continue;
    return Proof{waker.words, Confidence::likely};
  }
  return std::nullopt;
}

std::optional<Proof> thread_proof(const Case& c, std::uint64_t tid) {
  if (const auto* loop = c.process.loop_of(tid); loop != nullptr && loop->in_selector) return loop_proof(c, *loop);
  return proof_of(c.graph.waiting(tid));
}

// A timer whose date was not read (a core does not say what time it was) may ring at once or never: with a Ctrl-C that
// cannot get through, or one that waits already, that decides between idle and stuck.
bool date_decides(const Case& c, std::uint64_t main) {
  const auto& waiting = c.graph.waiting(main);
  return waiting.waker == Waker::timer && !waiting.wakes_in_ms &&
         (c.ctrl_c.answer == Answer::no || c.process.python().signals.is_tripped == true);
}

// The main thread is in a handler of a signal, on a lock that the interrupted code has a name for: that may hold it
// (S7), whatever other threads do meanwhile.
bool waits_in_handler(const Process& process, std::uint64_t main) {
  const auto* state = process.current_state(main);
  const auto* lock = process.lock_of(main);
  const auto handler = state == nullptr ? std::nullopt : handler_frame(*state);
  return handler && lock != nullptr &&
         std::any_of(lock->named_by.begin(), lock->named_by.end(), [&](auto frame) { return frame > *handler; });
}

// A wait that leads to another process which was seen to go on: it runs, has a timer, or waits for what can come.
std::optional<Proof> process_proof(const Case& c, std::uint64_t tid) {
  const auto* actor = c.chain.thread(c.process.facts().target.pid, tid);
  if (actor == nullptr || actor->links.empty() || actor->ability != Ability::able || actor->base == Ability::able)
    return std::nullopt;
  const auto& source = c.chain.source(*actor);
  if (source.pid == actor->pid || source.guessed || source.base != Ability::able) return std::nullopt;
  return Proof{fmt::format("{}; {} {}", c.chain.link(actor->links.front()).what, c.chain.label(source), source.why),
               Confidence::likely};
}

}  // namespace

std::optional<Finding> idle_by_design(const Case& c) {
  const auto& process = c.process;
  const auto main = process.main_tid();
  const auto* state = process.current_state(main);
  if (state == nullptr || process.waits_for_gil(main) || !c.graph.main_gets_gil()) return std::nullopt;
  if (!process.stack_is_known(main)) return std::nullopt;
  if (date_decides(c, main)) return std::nullopt;
  // Asleep below a loop that is its parent's or its own: idle, or blocked, or deaf to Ctrl-C (L3, S4).
  if (const auto* loop = process.loop_of(main);
      loop != nullptr && !loop->in_selector && may_be_inherited(process, *loop))
    return std::nullopt;
  std::uint64_t waits = main;
  auto proof = thread_proof(c, main);
  if (!proof && process.loop_of(main) == nullptr) {
    waits = end_of_joins(process, main);
    proof = process_proof(c, waits);
    if (!proof) waits = main;
  }
  // A main thread that joins one waits for that one.
  const auto joined = end_of_joins(process, main);
  const auto* its_loop = joined == main ? nullptr : process.loop_of(joined);
  const bool joins_loop = its_loop != nullptr && its_loop->in_selector;
  if (!proof && joins_loop) {
    proof = loop_proof(c, *its_loop);
    waits = joined;
  }
  // A main thread on a lock (join, Event.wait) waits for its other threads: it is as idle as they are.
  const bool on_lock = c.graph.waiting(main).waker == Waker::none && process.loop_of(main) == nullptr;
  if (!proof && !joins_loop && on_lock && !waits_in_handler(process, main)) {
    auto others = c.graph.alive_besides(main);
    for (auto tid : process.python_tids())
      if (tid != main && c.graph.waiting(tid).waker == Waker::signal) others.push_back(tid);
    for (auto tid : others) {
      if (!process.stack_is_known(tid)) continue;
      // The short sleeps of one that polls without an end are no dates.
      if (const auto* other = process.current_state(tid); other->polling && other->polling->endless == true) continue;
      const auto& waiting = c.graph.waiting(tid);
      if (waiting.waker == Waker::timer && (!has_near_date(waiting) || !waiting.wakes_in_ms)) continue;
      proof = thread_proof(c, tid);
      if (!proof) continue;
      waits = tid;
      proof->confidence = Confidence::likely;
      break;
    }
  }
  if (!proof || !process.stack_is_known(waits)) return std::nullopt;
  // Whether it is stopped, and what it does with signals, was not read.
  if (!process.facts().kernel.process.state) proof->confidence = std::max(proof->confidence, Confidence::likely);
  auto finding = make_finding("N3", "idle-by-design", proof->confidence);
  const auto label = process.thread_label(waits);
  finding.summary =
      fmt::format("Not hung: {} waits for {}{}.", label, proof->words,
                  waits == main ? "" : fmt::format(", and the {} waits for its threads", process.thread_label(main)));
  finding.path = c.graph.path(waits);
  finding.blame.push_back(process.blame(waits));
  if (const auto* loop = process.loop_of(waits); loop != nullptr && loop->in_selector)
    if (const auto* frame = parked_frame(*loop)) finding.blame.back().frame = frame_label(*frame);
  finding.advice =
      "Nothing to fix here. If you expected it to be done by now, ask why what it waits for does not come.";
  cite_wait(finding, process, waits);
  return finding;
}

}  // namespace hang::verdict
