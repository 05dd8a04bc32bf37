// G3 gil-hog-native-call: one native call of a thread of the same interpreter keeps the GIL.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// A mutex that its own waiter has locked before: the call never ends, and nobody else has a part in it.
const facts::NativeLockFacts* own_lock(const Case& c, const GilGrip& grip) {
  const auto* lock = grip.holder == nullptr ? nullptr : c.process.native_lock_of(grip.holder->tid);
  return lock != nullptr && lock->recorded && lock->owner == grip.holder->tid ? lock : nullptr;
}

}  // namespace

std::optional<Finding> gil_hog_native_call(const Case& c) {
  const auto& process = c.process;
  const int gil = process.main_gil();
  const auto* main = process.main_interpreter();
  if (gil < 0 || main == nullptr) return std::nullopt;
  const auto& grip = c.graph.grips()[gil];
  const auto* own = own_lock(c, grip);
  if (grip.grip != Grip::hogged || (grip.on_native_lock && own == nullptr && !lock_is_owned_elsewhere(c, grip)))
    return std::nullopt;
  const auto tid = grip.holder->tid;
  if (grip.holder->interpreter != main->id && tid != process.main_tid()) return std::nullopt;  // S1
  auto finding = make_finding("G3", "gil-hog-native-call", grip.confidence);
  const auto label = process.thread_label(tid);
  finding.summary = fmt::format(
      "{} holds {} {}{}. {}", capital(label), gil_label(process, gil), doing(process, tid),
      grip.watched_ms > 0 ? fmt::format(" and has not let it go in the {} watched", duration(grip.watched_ms)) : "",
      tid == process.main_tid() ? "No other Python thread can run meanwhile."
                                : "Every other Python thread, the main thread included, has to wait for it.");
  if (own != nullptr) finding.summary += fmt::format(" It waits for the {} that it has locked itself.", own->kind);
  finding.path = c.graph.path(tid == process.main_tid() ? tid : process.main_tid());
  if (tid != process.main_tid() && process.waits_for_gil(process.main_tid()) != gil)
    finding.path.push_back({gil_label(process, gil), "held by " + label, grip.because, true});
  finding.blame.push_back(process.blame(tid));
  finding.advice =
      "Release the GIL around that call in the extension (Py_BEGIN_ALLOW_THREADS), bound its input (for re: a pattern "
      "without nested repeats, or an engine with a timeout), or run it in a separate process.";
  cite_grip(finding, process, grip);
  cite(finding, process.facts(), "signals.is_tripped");
  return finding;
}

}  // namespace hang::verdict
