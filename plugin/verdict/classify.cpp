#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"
#include "verdict/signal_path.h"
#include "verdict/verdict.h"

namespace hang::verdict {
namespace {

// The order is the cheap decision order of docs/shapes: what stops everything, then who holds the GIL, then the
// loops, then the signal disposition, then what is no hang. A signal that was taken and waits in Python's flags is
// proof that the main thread should move (S2, S3); a SIGINT that is ignored explains a dead Ctrl-C, but not why the
// process does not go on, so S5 comes after the shapes that do. S4 comes before L3, because a forked child that
// inherited a loop looks like one that blocks it.
using Rule = std::optional<Finding> (*)(const Case&);
constexpr std::array kRules{Rule{stopped_not_hung},
                            gil_vs_native_lock,
                            gilstate_wrong_interpreter,
                            gil_hostage_signal_drop,
                            gil_hog_native_call,
                            subinterp_close_join,
                            frozen_daemon_at_finalize,
                            interp_queue_orphan_poll,
                            subinterp_owns_main_thread,
                            handler_reentrancy_lock,
                            tripped_but_main_parked,
                            interrupt_swallowed,
                            wakeup_fd_misrouted,
                            self_wait,
                            unwoken_loop,
                            wakeup_drain_eof_spin,
                            cancel_delivery_spin,
                            executor_join_on_loop_close,
                            loop_blocked_by_sync_call,
                            lost_wakeup_primitive,
                            await_cycle,
                            guest_loop_double_idle,
                            child_exit_lost,
                            orphaned_channel_park,
                            pipe_full_writer,
                            pipe_held_open,
                            multi_process_wait_chain,
                            silent_peer_no_timeout,
                            sigint_ignored_or_blocked,
                            exit_joins_nondaemon,
                            slow_not_stuck,
                            idle_by_design};

// FNV-1a, because std::hash is not stable across builds and the signature is stored.
std::string fnv1a(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

std::string signature_of(const Finding& finding) {
  std::string text = finding.shape;
  for (const auto& blame : finding.blame) text += "|" + blame.frame;
  return fnv1a(text);
}

std::string why_not(const Finding& other, const Finding& verdict) {
  if (other.id == "S4" || other.id == "S5") return "it stops Ctrl-C, but the process would hang without it";
  if (other.id.starts_with("N")) return fmt::format("{} explains more", verdict.id);
  return fmt::format("{} comes first: it would hold with or without this", verdict.id);
}

// A loop of a kind that is not read (uvloop), run by that thread.
const facts::LoopFacts* other_loop_of(const Process& process, std::uint64_t tid) {
  for (const auto& loop : process.python().other_loops)
    if (loop.tid == tid) return &loop;
  return nullptr;
}

struct MissingFact {
  std::string what;
  std::vector<std::string> would_decide;
};

MissingFact missing_of_gil(const Case& c, const GilGrip& grip) {
  const auto holder = c.process.thread_label(grip.holder->tid);
  if (grip.grip == Grip::hogged && grip.on_native_lock)
    return {fmt::format("who holds the native lock that {} waits for with the GIL in hand", holder), {"G1", "G2"}};
  if (!c.graph.main_gets_gil())
    return {fmt::format("whether {}, which has the GIL, gives it up: a second sample of the running process", holder),
            {"S1", "G3", "N2"}};
  return {"whether anything moves: a second sample of the running process", {"S1", "G3", "N2"}};
}

MissingFact missing_of_loop(const Case& c, const facts::LoopFacts& loop) {
  const auto wait = loop_wait(c.process, c.graph, loop);
  if (loop.object == 0 || !loop.tasks_known)
    return {"the loop that the main thread runs: its objects could not be read", {"L1", "L5", "N3"}};
  if (wait && !wait->workers.empty())
    return {
        fmt::format("what {} will do: the loop may wait for its job", c.process.thread_label(wait->workers.front())),
        {"L6", "L1"}};
  if (wait && loop.ready.value_or(0) > 0) return {"who queued work without waking the loop", {"L5"}};
  if (wait && !loop.signal_handlers.empty() && wait->wakers.empty())
    return {
        "whether the loop is meant to wait for a signal only: it has handlers for signals and nothing else can wake it",
        {"L1", "N3"}};
  return {wait && wait->missing ? *wait->missing : "who could still wake the loop", {"L1", "N3"}};
}

// Of a main thread that waits in a system call.
MissingFact missing_of_wait(const Case& c) {
  const auto main = c.process.main_tid();
  const auto& waiting = c.graph.waiting(main);
  const auto* thread = c.process.thread(main);
  const bool open = waiting.waker == Waker::none || waiting.waker == Waker::unknown;
  if (open && thread != nullptr && thread->wait.fd)
    return {fmt::format("what fd {} is and who has its other end", *thread->wait.fd), {"B2", "B3", "P6", "N3"}};
  if (open && thread != nullptr && !thread->wait.fds.empty())
    return {"what the descriptors are that the main thread waits for, and who has their other ends",
            {"B2", "B3", "P6", "N3"}};
  if (open && thread != nullptr && thread->wait.kind == facts::WaitKind::futex && !thread->wait.timeout_ms)
    return {"when the timeout of the main thread's wait ends", {"K1", "I3", "N3"}};
  if (open) return {"who holds the lock that the main thread waits for", {"K1", "I3", "L6", "P1"}};
  return {fmt::format("whether what the main thread waits for will come: {}",
                      waiting.on.empty() ? "nothing was read" : waiting.on.front().what),
          {"B2", "B3", "P6", "N3"}};
}

// The fact that would decide.
MissingFact missing_fact(const Case& c) {
  const auto& process = c.process;
  const auto main = process.main_tid();
  const int gil = process.main_gil();
  const GilGrip* grip = gil >= 0 ? &c.graph.grips()[gil] : nullptr;
  const bool held = grip != nullptr && grip->grip == Grip::held;
  if ((grip != nullptr && grip->grip == Grip::hogged && grip->on_native_lock) || (held && !c.graph.main_gets_gil()))
    return missing_of_gil(c, *grip);
  if (!process.stack_is_known(main)) return {"the Python frames of the main thread", {"L1", "L3", "K1", "N3"}};
  if (const auto* loop = process.loop_of(main); loop != nullptr && loop->in_selector) return missing_of_loop(c, *loop);
  if (const auto* other = other_loop_of(process, main); other != nullptr && other->in_selector)
    return {
        fmt::format("what {}, the event loop that it runs, waits for: loops of that kind are not read", other->type),
        {"L1", "N3"}};
  if (held && (process.waits_for_gil(main) || c.graph.waiting(main).waker == Waker::running))
    return missing_of_gil(c, *grip);
  return missing_of_wait(c);
}

// What the undetermined process is waiting for, and which fact would decide.
Finding undetermined(const Case& c, std::vector<facts::Gap>& gaps) {
  const auto& process = c.process;
  const auto main = process.main_tid();
  auto finding = make_finding("", "undetermined", Confidence::possible);
  finding.path = c.graph.path(main);
  // Who keeps the GIL is to be looked at, whoever else waits.
  const int gil = process.main_gil();
  const auto* grip = gil >= 0 ? &c.graph.grips()[gil] : nullptr;
  const bool kept = grip != nullptr && grip->holder != nullptr && grip->grip == Grip::hogged;
  finding.blame.push_back(process.blame(kept ? grip->holder->tid : main));
  cite_wait(finding, process, main);
  auto missing = missing_fact(c);
  finding.summary = fmt::format("No shape that this version knows is proved. The {} is {}. It would take to know {}.",
                                process.thread_label(main),
                                doing(process, main).empty() ? "running" : doing(process, main), missing.what);
  finding.advice =
      "Look again in a while (a second look that shows the same is evidence), and at hang threads, hang gil and hang "
      "channels.";
  gaps.push_back(
      {std::move(missing.what), "not read, or beyond what this version decides", std::move(missing.would_decide)});
  return finding;
}

// Innocent interpreters that a reader would suspect: parked, GIL not held.
void add_bystanders(const Case& c, Verdict& verdict) {
  const auto& process = c.process;
  std::vector<std::string> parked;
  std::vector<Blame> blame;
  for (const auto& interpreter : process.python().interpreters) {
    if (interpreter.is_main) continue;
    for (const auto& state : process.python().thread_states) {
      if (state.interpreter != interpreter.id || state.frames.empty() || state.tid == process.main_tid()) continue;
      const bool blamed = std::any_of(verdict.finding.blame.begin(), verdict.finding.blame.end(),
                                      [&](const Blame& b) { return b.tid == state.tid; });
      const auto& waiting = c.graph.waiting(state.tid);
      if (blamed || waiting.waker == Waker::running) continue;
      parked.push_back(std::to_string(interpreter.id));
      blame.push_back(process.blame(state.tid));
    }
  }
  if (parked.empty()) return;
  auto finding = make_finding("I1", "abandoned-subinterp-run", Confidence::certain);
  std::string ids = parked.front();
  for (std::size_t i = 1; i < parked.size() && i < 6; ++i) ids += ", " + parked[i];
  if (parked.size() > 6) ids += fmt::format(" and {} more", parked.size() - 6);
  finding.summary = fmt::format("Interpreter{} {} {} parked and hold{} no GIL.", parked.size() == 1 ? "" : "s", ids,
                                parked.size() == 1 ? "is" : "are", parked.size() == 1 ? "s" : "");
  finding.why_not_cause = "a parked interpreter that does not hold the GIL blocks nobody";
  finding.blame = std::move(blame);
  verdict.others.push_back(std::move(finding));
}

Verdict not_python(const facts::Snapshot& snapshot) {
  Verdict verdict;
  verdict.finding = make_finding("", "undetermined", Confidence::possible);
  verdict.finding.summary = "The snapshot has no CPython facts.";
  verdict.gaps = snapshot.gaps;
  return verdict;
}

}  // namespace

const char* to_string(Confidence confidence) {
  switch (confidence) {
    case Confidence::certain: return "certain";
    case Confidence::likely: return "likely";
    case Confidence::possible: return "possible";
  }
  return "possible";
}

const char* to_string(Answer answer) {
  switch (answer) {
    case Answer::yes: return "yes";
    case Answer::no: return "no";
    case Answer::partly: return "partly";
    case Answer::unknown: return "unknown";
  }
  return "unknown";
}

int Verdict::exit_code() const {
  if (finding.id.empty()) return 3;
  return finding.id.front() == 'N' ? 0 : 1;
}

Verdict classify(const facts::Snapshot& snapshot) {
  if (!snapshot.python) return not_python(snapshot);
  const Process process(snapshot);
  const WaitGraph graph(process, gil_grips(process));
  Verdict verdict;
  verdict.gaps = snapshot.gaps;
  verdict.ctrl_c = walk_signal_path(process, graph);
  const ProcessChain chain(process);
  const Case c{process, graph, verdict.ctrl_c, chain};
  for (auto rule : kRules) {
    auto finding = rule(c);
    if (!finding) continue;
    if (verdict.finding.id.empty()) {
      verdict.finding = std::move(*finding);
    } else {
      finding->why_not_cause = why_not(*finding, verdict.finding);
      verdict.others.push_back(std::move(*finding));
    }
  }
  if (verdict.finding.id.empty()) verdict.finding = undetermined(c, verdict.gaps);
  add_bystanders(c, verdict);
  verdict.signature = signature_of(verdict.finding);
  return verdict;
}

}  // namespace hang::verdict
