// N2 slow-not-stuck: something that the main thread depends on was seen to move.
#include <algorithm>
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// What was seen moving, in words; empty if nothing was.
std::string movement(const Case& c, std::uint64_t tid) {
  const auto& snapshot = c.process.facts();
  for (const auto* state : c.process.states_of(tid)) {
    const auto* moved = snapshot.state_watch(state->address);
    if (moved != nullptr && moved->changes > 0)
      return fmt::format("{} executes Python code: it moved in {} of {} reads", c.process.thread_label(tid),
                         moved->changes, moved->reads);
  }
  return {};
}

// Native code that has let go of the GIL shows only by its CPU time.
std::string computes(const Case& c, std::uint64_t tid) {
  constexpr double kShare = 0.2;
  const auto& snapshot = c.process.facts();
  const auto* cpu = snapshot.thread_watch(tid);
  if (cpu == nullptr || static_cast<double>(cpu->cpu_ns) / 1e6 <= kShare * snapshot.watch.ms) return {};
  return fmt::format("{} computes outside of Python, {:.0f} ms CPU in {}", c.process.thread_label(tid),
                     static_cast<double>(cpu->cpu_ns) / 1e6, duration(snapshot.watch.ms));
}

bool may_hold_a_gil(const Case& c, std::uint64_t tid) {
  const auto& grips = c.graph.grips();
  return std::any_of(grips.begin(), grips.end(), [&](const auto& grip) {
    return grip.grip == Grip::unknown || (grip.holder != nullptr && grip.holder->tid == tid);
  });
}

}  // namespace

std::optional<Finding> slow_not_stuck(const Case& c) {
  const auto& process = c.process;
  const auto& snapshot = process.facts();
  if (snapshot.watch.ms <= 0) return std::nullopt;  // one sample shows no movement
  const auto main = process.main_tid();
  const auto& waiting = c.graph.waiting(main);
  const int gil = process.main_gil();
  // On a crowded machine a waiter that is due waits for a CPU, and is then seen as running without the GIL.
  const bool runs = waiting.waker == Waker::running;
  std::string moved = movement(c, main);
  std::uint64_t mover = main;
  if (moved.empty() && runs && gil >= 0) {
    const auto* watch = snapshot.gil_watch(gil);
    if (watch != nullptr && watch->switches > 0)
      moved = fmt::format("the GIL changed hands {} times in {}", watch->switches, duration(snapshot.watch.ms));
  }
  // A main thread that waits for a lock depends on the threads that can release it; one that sleeps on a date does not.
  if (moved.empty() && (runs || waiting.waker == Waker::none)) {
    for (auto tid : c.graph.alive_besides(main)) {
      if (!moved.empty()) break;
      moved = movement(c, tid);
      if (moved.empty() && !may_hold_a_gil(c, tid)) moved = computes(c, tid);
      mover = tid;
    }
  }
  // A loop of one instruction, `while True: pass`, shows only by where its program counter is.
  const auto* cpu = snapshot.thread_watch(main);
  const bool holds = gil >= 0 && c.graph.grips()[gil].holder != nullptr && c.graph.grips()[gil].holder->tid == main;
  if (moved.empty() && runs && holds && cpu != nullptr && c.graph.grips()[gil].in_bytecode > 0)
    moved = fmt::format("{} runs bytecode: it was seen doing so in {} of {} samples", process.thread_label(main),
                        c.graph.grips()[gil].in_bytecode, cpu->samples);
  if (moved.empty() && runs && !holds) moved = computes(c, main);
  if (moved.empty()) return std::nullopt;
  auto finding = make_finding("N2", "slow-not-stuck", Confidence::likely);
  finding.summary = fmt::format("Not stuck: {}. It is busy or slow; a hang would not move.", moved);
  finding.path = c.graph.path(main);
  finding.blame.push_back(process.blame(mover));
  finding.advice =
      "Profile it (py-spy record, perf): find what it computes. Look again later: if the same line is still on top it "
      "is a busy loop.";
  if (gil >= 0) cite(finding, snapshot, fmt::format("gil.{}.switch_number", gil));
  cite_wait(finding, process, main);
  cite_kernel(finding, "watch", moved, facts::Source::procfs);
  return finding;
}

}  // namespace hang::verdict
