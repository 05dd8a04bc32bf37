// L10 guest-loop-double-idle: trio runs as a guest of another loop. Two threads in two selectors are how that looks
// when it is healthy; what hangs is a trio task.
#include <fmt/format.h>

#include "facts/names.h"
#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::LoopFacts;

const LoopFacts* host_of(const Process& process, const LoopFacts& guest) {
  for (const auto& loop : process.python().loops)
    if (guest.host != 0 && loop.object == guest.host) return &loop;
  return nullptr;
}

}  // namespace

std::optional<Finding> guest_loop_double_idle(const Case& c) {
  const auto& process = c.process;
  if (!c.graph.main_gets_gil()) return std::nullopt;
  for (const auto& guest : process.python().loops) {
    const auto* host = guest.is_guest == true ? host_of(process, guest) : nullptr;
    if (host == nullptr || host->tid == guest.tid) continue;
    const auto inner = loop_wait(process, c.graph, guest), outer = loop_wait(process, c.graph, *host);
    if (!inner || !outer || !nothing_can_wake(*inner) || !outer->endless || !outer->wakers.empty() || outer->missing ||
        host->ready.value_or(1) != 0)
      continue;
    const auto task = task_label(guest);
    auto finding = make_finding(
        "L10", "guest-loop-double-idle",
        inner->strangers.empty() && process.facts().kernel.fds_known ? Confidence::certain : Confidence::likely);
    finding.seed_class = 2;
    finding.summary = fmt::format(
        "trio runs as a guest of the {} loop of {}, and {} waits for its events: two selectors asleep, as is normal. "
        "Nothing can ever wake either of them.{}",
        name_of(host->kind), process.thread_label(host->tid), process.thread_label(guest.tid),
        task.empty() ? "" : fmt::format(" What hangs is trio's {}.", task));
    finding.path = c.graph.path(host->tid);
    for (auto& edge : c.graph.path(guest.tid)) finding.path.push_back(std::move(edge));
    if (const auto* parked = parked_task(guest))
      for (auto& edge : c.graph.task_path(parked->object)) finding.path.push_back(std::move(edge));
    auto blame = process.blame(host->tid);
    if (const auto* frame = parked_frame(guest)) blame.frame = frame_label(*frame);
    finding.blame.push_back(std::move(blame));
    finding.advice =
        "The bridge between the loops is fine. Look at the trio task: close the channel's sending end when its owner "
        "ends, set the event, or bound the wait (trio.move_on_after).";
    cite_wait(finding, process, host->tid);
    cite_wait(finding, process, guest.tid);
    return finding;
  }
  return std::nullopt;
}

}  // namespace hang::verdict
