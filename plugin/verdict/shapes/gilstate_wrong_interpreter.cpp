// G2 gilstate-wrong-interpreter: the thread that holds the GIL waits for it, as a thread state of another interpreter.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {

std::optional<Finding> gilstate_wrong_interpreter(const Case& c) {
  const auto& process = c.process;
  const auto* grip = blocked_grip(c);
  if (grip == nullptr || process.waits_for_gil(grip->holder->tid) != grip->gil) return std::nullopt;
  auto finding = make_finding("G2", "gilstate-wrong-interpreter", grip->confidence);
  const std::string ensure = native_caller(process, grip->holder->tid, "PyGILState_Ensure");
  finding.summary = fmt::format(
      "{} waits for {}, which it holds itself, as a thread state of interpreter {}: {}{}. It will wait for ever.",
      capital(process.thread_label(grip->holder->tid)), gil_label(process, grip->gil), grip->holder->interpreter,
      ensure.empty() ? "" : fmt::format("PyGILState_Ensure, called by {}, took the wrong one; ", ensure),
      doing(process, grip->holder->tid));
  finding.path = c.graph.path(process.main_tid());
  finding.blame.push_back(process.blame(grip->holder->tid));
  finding.advice =
      "PyGILState_Ensure knows one interpreter only. Do not import an extension that uses it into a subinterpreter "
      "(mod_wsgi: WSGIApplicationGroup %{GLOBAL}), or make thread states with PyThreadState_New for the right one.";
  if (!ensure.empty()) cite_kernel(finding, "native stack", "PyGILState_Ensure <- " + ensure, facts::Source::procfs);
  cite_grip(finding, process, *grip);
  return finding;
}

}  // namespace hang::verdict
