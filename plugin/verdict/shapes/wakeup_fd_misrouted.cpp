// S4 wakeup-fd-misrouted: the loop acts on a signal only when its byte comes through the wakeup fd (asyncio's
// add_signal_handler installs a handler that does nothing), and the wakeup fd does not lead to that loop.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"
#include "verdict/signal_path.h"

namespace hang::verdict {

std::optional<Finding> wakeup_fd_misrouted(const Case& c) {
  const auto& process = c.process;
  if (c.ctrl_c.answer != Answer::no || c.ctrl_c.step != 4) return std::nullopt;
  const std::string why = misrouted(process);
  if (why.empty()) return std::nullopt;
  auto finding = make_finding("S4", "wakeup-fd-misrouted", Confidence::certain);
  finding.summary = fmt::format(
      "Ctrl-C is lost: {}. With loop.add_signal_handler the callback runs only when the byte reaches the loop. The "
      "main thread is {}.",
      why, doing(process, process.main_tid()));
  finding.path.push_back({"SIGINT", "dies at step 4", {why}, true});
  for (auto& edge : c.graph.path(process.main_tid())) finding.path.push_back(edge);
  auto blame = process.blame(process.main_tid());
  if (process.python().signals.wakeup_fd.value_or(-1) >= 0) blame.fd = process.python().signals.wakeup_fd;
  finding.blame.push_back(std::move(blame));
  finding.advice =
      "Find who set the wakeup fd last: a nested or guest loop that was closed (it resets it to -1), a library that "
      "calls signal.set_wakeup_fd, a sweep over inherited descriptors after fork. Restore the previous value, use "
      "host_uses_signal_set_wakeup_fd=True for trio guests, and in a forked child call signal.set_wakeup_fd(-1) and "
      "reset the handlers first. SIGTERM with its default action ends the process.";
  cite(finding, process.facts(), "signals.wakeup.fd");
  cite(finding, process.facts(), "signals.handlers.2.func");
  cite_wait(finding, process, process.main_tid());
  return finding;
}

}  // namespace hang::verdict
