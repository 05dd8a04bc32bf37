// S5 sigint-ignored-or-blocked: Ctrl-C dies before it reaches Python.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// In os.system(): the C library's system() ignores SIGINT and SIGQUIT and blocks SIGCHLD while it waits for the shell
// (sysdeps/posix/system.c), so that a Ctrl-C is the child's. Python knows nothing of that: its handler is still its
// own.
bool is_in_system(const Process& process) {
  constexpr std::uint64_t kSigchld = 1 << 16;
  const auto* main = process.main_thread();
  const auto handler = process.python().signals.sigint_handler;
  return main != nullptr && main->wait.kind == facts::WaitKind::wait_child &&
         (main->sig_blk.value_or(0) & kSigchld) != 0 && handler != facts::HandlerKind::sig_ign &&
         handler != facts::HandlerKind::unknown;
}

}  // namespace

std::optional<Finding> sigint_ignored_or_blocked(const Case& c) {
  if (c.ctrl_c.answer != Answer::no || !c.ctrl_c.step || (*c.ctrl_c.step != 1 && *c.ctrl_c.step != 2))
    return std::nullopt;
  const auto& process = c.process;
  if (is_in_system(process)) return std::nullopt;
  auto finding = make_finding("S5", "sigint-ignored-or-blocked", Confidence::certain);
  finding.summary = fmt::format("Ctrl-C never reaches Python: {}. The main thread is {}.", c.ctrl_c.why,
                                doing(process, process.main_tid()));
  finding.path.push_back({"SIGINT", "dies at step " + std::to_string(*c.ctrl_c.step), {c.ctrl_c.why}, true});
  for (auto& edge : c.graph.path(process.main_tid())) finding.path.push_back(edge);
  finding.blame.push_back(process.blame(process.main_tid()));
  finding.advice = *c.ctrl_c.step == 1 ? "If the program did not ask for it, it was inherited: a non-interactive shell "
                                         "starts `cmd &` with SIGINT ignored, "
                                         "nohup and some supervisors do too. Call signal.signal(SIGINT, "
                                         "signal.default_int_handler) at start, reset it in "
                                         "the parent before exec, or end the process with SIGTERM."
                                       : "Unblock SIGINT in one thread (signal.pthread_sigmask), usually the main one; "
                                         "a mask is inherited through fork and "
                                         "exec. SIGTERM ends the process if it is not blocked too.";
  const auto& kernel = process.facts().kernel.process;
  if (kernel.sig_ign) cite_kernel(finding, "SigIgn", fmt::format("{:#018x}", *kernel.sig_ign), facts::Source::procfs);
  if (kernel.sig_cgt) cite_kernel(finding, "SigCgt", fmt::format("{:#018x}", *kernel.sig_cgt), facts::Source::procfs);
  if (kernel.shd_pnd) cite_kernel(finding, "ShdPnd", fmt::format("{:#018x}", *kernel.shd_pnd), facts::Source::procfs);
  if (const auto* main = process.main_thread(); main != nullptr && main->sig_blk)
    cite_kernel(finding, "SigBlk of the main thread", fmt::format("{:#018x}", *main->sig_blk), facts::Source::procfs);
  cite(finding, process.facts(), "signals.handlers.2.func");
  cite_wait(finding, process, process.main_tid());
  return finding;
}

}  // namespace hang::verdict
