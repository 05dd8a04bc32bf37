// G1 gil-vs-native-lock: who holds the GIL waits for a native mutex, and who owns that mutex waits for the GIL.
// G2 gilstate-wrong-interpreter: the thread that holds the GIL waits for it, as a thread state of another interpreter.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// The main interpreter's GIL with a holder that does not give it back, if it sleeps on a futex.
const GilGrip* blocked_grip(const Case& c) {
  const int gil = c.process.main_gil();
  if (gil < 0) return nullptr;
  const auto& grip = c.graph.grips()[gil];
  return grip.grip == Grip::hogged && grip.holder != nullptr && grip.on_native_lock ? &grip : nullptr;
}

std::string capital(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(text[0]));
  return text;
}

}  // namespace

std::optional<Finding> gil_vs_native_lock(const Case& c) {
  const auto& process = c.process;
  const auto* grip = blocked_grip(c);
  if (grip == nullptr || !grip->lock_owner) return std::nullopt;
  const std::uint64_t owner = *grip->lock_owner, futex = *process.facts().thread(grip->holder->tid)->wait.futex;

  // The words of a process that runs on are read one after the other: only a watch shows that they hold together.
  const auto& snapshot = process.facts();
  const bool one_instant = snapshot.target.stopped_by_host || snapshot.target.kind == facts::TargetKind::core;
  auto finding = make_finding("G1", "gil-vs-native-lock",
                              snapshot.watch.ms > 0 || one_instant ? Confidence::certain : Confidence::likely);
  const std::string holder = process.thread_label(grip->holder->tid), other = process.thread_label(owner);
  const std::string mutex = fmt::format("the pthread mutex at {:#x}", futex);
  finding.summary = fmt::format(
      "{} holds {} and waits for {}; {} owns that mutex and waits for the GIL. Neither can go on, and no thread runs "
      "Python code. The holder is {}; the other is {}.",
      capital(holder), gil_label(process, grip->gil), mutex, other, doing(process, grip->holder->tid),
      doing(process, owner));
  finding.path = c.graph.path(process.main_tid());
  finding.path.push_back({mutex, "owned by " + other, {fmt::format("__data.__owner = {}", owner)}, true});
  finding.path.push_back({other, "waits for " + gil_label(process, grip->gil), {"futex inside gil->cond"}, true});
  finding.blame.push_back(process.blame(grip->holder->tid));
  finding.blame.push_back(process.blame(owner));
  finding.advice =
      "Release the GIL before taking the native lock (Py_BEGIN_ALLOW_THREADS; pybind11: gil_safe_call_once_and_store; "
      "PyO3: allow_threads or MutexExt), or never call into Python while it is held.";
  cite(finding, process.facts(), lock_owner_key(futex));
  cite_grip(finding, process, *grip);
  cite_wait(finding, process, owner);
  return finding;
}

std::optional<Finding> gilstate_wrong_interpreter(const Case& c) {
  const auto& process = c.process;
  const auto* grip = blocked_grip(c);
  if (grip == nullptr || process.waits_for_gil(grip->holder->tid) != grip->gil) return std::nullopt;
  auto finding = make_finding("G2", "gilstate-wrong-interpreter", grip->confidence);
  finding.summary = fmt::format(
      "{} waits for {}, which it holds itself, as a thread state of interpreter {}: {}. It will wait for ever.",
      capital(process.thread_label(grip->holder->tid)), gil_label(process, grip->gil), grip->holder->interpreter,
      doing(process, grip->holder->tid));
  finding.path = c.graph.path(process.main_tid());
  finding.blame.push_back(process.blame(grip->holder->tid));
  finding.advice =
      "PyGILState_Ensure knows one interpreter only. Do not import an extension that uses it into a subinterpreter "
      "(mod_wsgi: WSGIApplicationGroup %{GLOBAL}), or make thread states with PyThreadState_New for the right one.";
  cite_grip(finding, process, *grip);
  return finding;
}

}  // namespace hang::verdict
