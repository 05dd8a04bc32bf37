// G1 gil-vs-native-lock: who holds the GIL waits for a native lock, and whoever could release that waits for the GIL: a
// cycle of any length in the wait-for graph.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

struct Cycle {
  std::vector<std::size_t> edges;
  std::vector<std::uint64_t> tids;  // of its threads, the GIL's holder first
  bool gil = false, native = false, seen = true;
};

// The deadlock of the thread that holds the main interpreter's GIL.
Cycle find_cycle(const Case& c, std::uint64_t holder) {
  Cycle cycle;
  const auto& graph = c.graph.graph();
  const auto node = c.graph.node_of(holder);
  if (node) cycle.edges = graph.cycle_through(*node);
  for (const auto index : cycle.edges) {
    const auto& edge = graph.edges()[index];
    const auto& from = graph.nodes()[edge.from];
    cycle.seen = cycle.seen && edge.seen;
    if (from.kind == NodeKind::gil) cycle.gil = true;
    if (from.kind == NodeKind::native_lock) cycle.native = true;
    if (from.kind == NodeKind::thread) cycle.tids.push_back(std::stoull(from.key));
  }
  return cycle;
}

// What the thread has to do with the lock that another one waits for.
std::string relation(const facts::NativeLockFacts& lock) {
  if (lock.kind == facts::kEndOfThread) return "is that thread";
  return lock.recorded ? "owns it" : "is initializing it";
}

// "main thread 7 holds the GIL and waits for the pthread mutex at 0x..; thread 8 owns it and waits for the GIL"
std::string in_words(const Case& c, const Cycle& cycle) {
  const auto& process = c.process;
  std::string words;
  for (std::size_t i = 0; i < cycle.tids.size(); ++i) {
    const auto tid = cycle.tids[i];
    const auto& waiting = c.graph.waiting(tid);
    const auto* before = i == 0 ? nullptr : process.native_lock_of(cycle.tids[i - 1]);
    const std::string has = i == 0              ? "holds " + gil_label(process, process.main_gil())
                            : before == nullptr ? "owns it"
                                                : relation(*before);
    words += fmt::format("{}{} {} and waits for {}", i == 0 ? "" : "; ",
                         i == 0 ? capital(process.thread_label(tid)) : process.thread_label(tid), has,
                         waiting.on.empty() ? "something" : waiting.on.front().what);
  }
  return words;
}

}  // namespace

std::optional<Finding> gil_vs_native_lock(const Case& c) {
  const auto& process = c.process;
  const auto* grip = blocked_grip(c);
  if (grip == nullptr) return std::nullopt;
  const auto cycle = find_cycle(c, grip->holder->tid);
  if (!cycle.gil || !cycle.native || cycle.tids.size() < 2) return std::nullopt;

  // The words of a process that runs on are read one after the other: only a watch shows that they hold together.
  const auto& snapshot = process.facts();
  const bool certain = cycle.seen && (snapshot.watch.ms > 0 || snapshot.target.one_instant);
  auto finding = make_finding("G1", "gil-vs-native-lock", certain ? Confidence::certain : Confidence::likely);
  finding.summary =
      fmt::format("{}. None of them can go on, and no thread runs Python code. The holder of the GIL is {}.",
                  in_words(c, cycle), doing(process, grip->holder->tid));
  for (const auto edge : cycle.edges) finding.path.push_back(c.graph.path_edge(edge));
  for (auto tid : cycle.tids) {
    finding.blame.push_back(process.blame(tid));
    if (const auto* lock = process.native_lock_of(tid)) {
      cite(finding, snapshot, fmt::format("futex.{:#x}.owner", lock->futex));
      if (!lock->recorded && !lock->evidence.empty())
        cite_kernel(finding, lock->kind, lock->evidence, facts::Source::procfs);
    }
  }
  finding.advice =
      "Release the GIL before taking the native lock (Py_BEGIN_ALLOW_THREADS; pybind11: gil_safe_call_once_and_store; "
      "PyO3: Python::detach or MutexExt), or never call into Python while it is held.";
  cite_grip(finding, process, *grip);
  for (std::size_t i = 1; i < cycle.tids.size(); ++i) cite_wait(finding, process, cycle.tids[i]);
  return finding;
}

}  // namespace hang::verdict
