// S3 tripped-but-main-parked: the C handler ran, on another thread or under native code that sleeps on; the main
// thread, which alone may run Python's handler, sleeps in the kernel and nothing tells it.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

std::string names_of(const std::vector<int>& numbers) {
  std::string words;
  for (const int number : numbers) {
    if (!words.empty()) words += ", ";
    words += signal_name(number);
  }
  return words;
}

}  // namespace

std::optional<Finding> tripped_but_main_parked(const Case& c) {
  const auto& process = c.process;
  const auto& signals = process.python().signals;
  const auto main = process.main_tid();
  const auto* thread = process.main_thread();
  const auto* state = process.current_state(main);
  const auto* interpreter = process.main_interpreter();
  if (signals.is_tripped != true || signals.tripped.empty() || thread == nullptr) return std::nullopt;
  if (state == nullptr || interpreter == nullptr || state->interpreter != interpreter->id) return std::nullopt;
  // Asleep of its own accord: not for the GIL, nor with it in hand (then G1 or G3 hold it back).
  const bool asleep = thread->wait.kind != facts::WaitKind::none && thread->wait.kind != facts::WaitKind::unknown;
  if (!asleep || c.graph.waiting(main).waker == Waker::running || process.waits_for_gil(main)) return std::nullopt;
  if (wakes_soon(c.graph.waiting(main))) return std::nullopt;  // and handles it then
  const int gil = process.main_gil();
  if (gil < 0) return std::nullopt;
  const auto& grip = c.graph.grips()[gil];
  if (grip.grip != Grip::free && (grip.holder == nullptr || grip.holder->tid == main || !c.graph.main_gets_gil()))
    return std::nullopt;

  auto finding = make_finding("S3", "tripped-but-main-parked", confidence_of_sleep(process, main));
  const std::string names = names_of(signals.tripped);
  finding.summary = fmt::format(
      "{} arrived and waits to be handled: the C handler ran, but the main thread, which alone may run Python's "
      "handler, "
      "sleeps {} and was not woken.",
      names, doing(process, main));
  finding.path.push_back({names, "is tripped; waits for the main thread", {"signals.is_tripped = 1"}, true});
  for (auto& edge : c.graph.path(main)) finding.path.push_back(edge);
  finding.blame.push_back(process.blame(main));
  const bool blocks = thread->sig_blk && (*thread->sig_blk & 2) != 0;
  finding.advice = fmt::format(
      "{}Give the main thread a way to be woken: signal.set_wakeup_fd with a descriptor that its loop polls, or a "
      "timeout on its wait; and block signals in worker threads (signal.pthread_sigmask before they start), so that "
      "the kernel "
      "gives them to the main thread. Attaching a debugger interrupts the wait and hides this.",
      blocks ? "The main thread itself blocks SIGINT: unblock it. " : "");
  cite(finding, process.facts(), "signals.is_tripped");
  cite(finding, process.facts(), "signals.handlers.2.tripped");
  cite(finding, process.facts(), "signals.wakeup.fd");
  cite(finding, process.facts(), fmt::format("gil.{}.locked", gil));
  cite_wait(finding, process, main);
  if (thread->sig_blk)
    cite_kernel(finding, "SigBlk of the main thread", fmt::format("{:#018x}", *thread->sig_blk), facts::Source::procfs);
  return finding;
}

}  // namespace hang::verdict
