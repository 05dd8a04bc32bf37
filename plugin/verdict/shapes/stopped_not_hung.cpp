// N1 stopped-not-hung: job control or a tracer holds the process; nothing in it is wrong.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// This process waits for another one, and that one is stopped.
std::optional<Finding> waits_for_stopped(const Case& c) {
  const auto* main = kept_main(c, Ability::unclear);
  if (main == nullptr) return std::nullopt;
  const auto walk = c.chain.walk(main->pid, main->tid);
  if (walk.empty()) return std::nullopt;
  const auto& end = c.chain.target(c.chain.link(walk.back()));
  if (!end.stopped || end.pid == main->pid) return std::nullopt;
  auto finding = make_finding("N1", "stopped-not-hung", Confidence::certain);
  finding.summary = fmt::format("Not hung: the {} waits for {}, which is stopped.", c.process.thread_label(main->tid),
                                c.chain.process_label(end.pid));
  finding.path = c.chain.path(walk);
  finding.blame.push_back(c.process.blame(main->tid));
  finding.advice =
      fmt::format("Continue that process: kill -CONT {}; or let go of it, if a debugger holds it.", end.pid);
  cite_chain(finding, c, walk);
  cite_kernel(finding, fmt::format("process {} state", end.pid), "stopped", facts::Source::procfs);
  return finding;
}

}  // namespace

std::optional<Finding> stopped_not_hung(const Case& c) {
  const auto& snapshot = c.process.facts();
  const auto& kernel = snapshot.kernel.process;
  if (snapshot.target.stopped_by_host || !kernel.state || (*kernel.state != 'T' && *kernel.state != 't'))
    return waits_for_stopped(c);
  auto finding = make_finding("N1", "stopped-not-hung", Confidence::certain);
  if (*kernel.state == 'T') {
    finding.summary = "The process is stopped by a signal (SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU), not hung.";
    finding.advice = fmt::format(
        "Continue it: kill -CONT {0}, or fg in its shell. If it stopped by itself it is a background job that touched "
        "the terminal: give it its input from a file or run it in the foreground.",
        snapshot.target.pid);
  } else {
    finding.summary =
        fmt::format("Process {} traces this one and holds it stopped; it is not hung.", kernel.tracer_pid.value_or(0));
    finding.advice = "Detach or end the debugger, strace or profiler that holds it.";
  }
  finding.path.push_back(
      {c.process.thread_label(c.process.main_tid()), "is stopped", {fmt::format("state {}", *kernel.state)}, true});
  finding.blame.push_back(c.process.blame(c.process.main_tid()));
  cite_kernel(finding, "State", std::string(1, *kernel.state), facts::Source::procfs);
  if (kernel.tracer_pid) cite_kernel(finding, "TracerPid", std::to_string(*kernel.tracer_pid), facts::Source::procfs);
  if (kernel.shd_pnd) cite_kernel(finding, "ShdPnd", fmt::format("{:#x}", *kernel.shd_pnd), facts::Source::procfs);
  return finding;
}

}  // namespace hang::verdict
