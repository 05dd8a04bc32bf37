// S1 gil-hostage-signal-drop (seed class 1): a thread of another interpreter holds the GIL that the main interpreter
// shares and does not give it back, so the main thread can neither run its loop nor act on SIGINT.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"
#include "verdict/signal_path.h"

namespace hang::verdict {
namespace {

std::string summarise(const Process& process, const GilGrip& grip) {
  const auto tid = grip.holder->tid;
  std::string held =
      grip.watched_ms > 0 ? fmt::format(" and has not let it go in the {} watched", duration(grip.watched_ms)) : "";
  std::string main =
      process.waits_for_gil(process.main_tid()) == grip.gil
          ? "The main thread waits for that GIL and cannot act on Ctrl-C."
          : "The main thread still sleeps; as soon as anything wakes it, Ctrl-C included, it will wait for that GIL.";
  return fmt::format("{} runs interpreter {} and holds {}: {}{}. {}", capital(process.thread_label(tid)),
                     grip.holder->interpreter, gil_label(process, grip.gil), doing(process, tid), held, main);
}

std::string advise(const GilGrip& grip) {
  std::string what =
      grip.deaf && !grip.native && !grip.blocked
          ? "Up to CPython 3.12 a subinterpreter that shares the GIL never sees another interpreter's request for it: "
            "bound that loop, let it sleep or wait now and then, or use Python 3.13+. "
          : "Release the GIL around that call (Py_BEGIN_ALLOW_THREADS), bound its input, or move it to a process that "
            "can be killed. ";
  return what + fmt::format(
                    "Or give interpreter {} its own GIL (an isolated interpreter, 3.12+). Abandoning the thread that "
                    "drives it does not help: interp.destroy() is refused while it runs.",
                    grip.holder->interpreter);
}

}  // namespace

std::optional<Finding> gil_hostage_signal_drop(const Case& c) {
  const auto& process = c.process;
  const int gil = process.main_gil();
  const auto* main = process.main_interpreter();
  if (gil < 0 || main == nullptr) return std::nullopt;
  const auto& grip = c.graph.grips()[gil];
  if (grip.grip != Grip::hogged || grip.holder->interpreter == main->id || grip.holder->tid == process.main_tid())
    return std::nullopt;
  // A holder that sleeps on a native lock may itself wait for a thread that waits for this GIL (G1): not this shape.
  if (grip.on_native_lock && !lock_is_owned_elsewhere(c, grip)) return std::nullopt;
  auto finding = make_finding("S1", "gil-hostage-signal-drop", grip.confidence);
  finding.seed_class = 1;
  finding.summary = summarise(process, grip);
  finding.path = c.graph.path(process.main_tid());
  if (process.waits_for_gil(process.main_tid()) != gil) {
    finding.path.push_back({process.thread_label(process.main_tid()),
                            "will wait for " + gil_label(process, gil),
                            {"when it wakes"},
                            false});
    finding.path.push_back(
        {gil_label(process, gil), "held by " + process.thread_label(grip.holder->tid), grip.because, true});
  }
  finding.blame.push_back(process.blame(grip.holder->tid));
  finding.advice = advise(grip);
  cite_grip(finding, process, grip);
  const auto& snapshot = process.facts();
  for (const char* key :
       {"signals.is_tripped", "signals.handlers.2.tripped", "signals.wakeup.fd", "signals.wakeup.warn_on_full_buffer"})
    cite(finding, snapshot, key);
  const auto wakeup = wakeup_state(snapshot);
  if (wakeup.set && wakeup.unread) cite_kernel(finding, "wakeup fd queue", wakeup.words, facts::Source::sock_diag);
  return finding;
}

}  // namespace hang::verdict
