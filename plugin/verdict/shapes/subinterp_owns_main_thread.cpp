// S2 subinterp-owns-main-thread: the main thread executes inside a subinterpreter, where no signal handler may run
// (_Py_ThreadCanHandleSignals, Include/internal/pycore_pystate.h: main thread and main interpreter).
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
std::optional<Finding> subinterp_owns_main_thread(const Case& c) {
  const auto& process = c.process;
  const auto main = process.main_tid();
  const auto* state = process.current_state(main);
  const auto* interpreter = process.main_interpreter();
  if (state == nullptr || interpreter == nullptr || state->frames.empty() || state->interpreter == interpreter->id)
    return std::nullopt;
  if (process.closes(main) != nullptr || process.waits_for_gil(main)) return std::nullopt;
  const auto& signals = process.python().signals;
  const bool tripped = signals.is_tripped == true && signals.sigint_tripped == true;
  const auto& waiting = c.graph.waiting(main);
  const bool parked = waiting.waker == Waker::none || (waiting.waker == Waker::timer && !wakes_soon(waiting));
  // Without a signal that waits for it, a loop or a computation there is judged for what it is.
  if (!tripped && (!parked || process.loop_of(main) != nullptr)) return std::nullopt;

  auto finding = make_finding("S2", "subinterp-owns-main-thread", tripped ? Confidence::certain : Confidence::likely);
  finding.summary = fmt::format(
      "The main thread executes inside interpreter {}: {}. Only the main thread in the main interpreter may run signal "
      "handlers, so Ctrl-C {} until that call returns.",
      state->interpreter, doing(process, main), tripped ? "waits" : "will wait");
  finding.path = c.graph.path(main);
  finding.blame.push_back(process.blame(main));
  finding.advice =
      "Run subinterpreters in threads of their own (Interpreter.call_in_thread, InterpreterPoolExecutor) and keep the "
      "main thread in the main interpreter. SIGTERM with its default action ends the process.";
  cite(finding, process.facts(), fmt::format("tstate.{}.native_thread_id", RemoteAddr(state->address).hex()));
  cite(finding, process.facts(), "signals.is_tripped");
  cite(finding, process.facts(), "signals.handlers.2.tripped");
  cite_wait(finding, process, main);
  return finding;
}

}  // namespace hang::verdict
