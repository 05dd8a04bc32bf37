#include "collect/sidecar.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "kernel/stored.h"

namespace hang::collect {
namespace {

using facts::Snapshot;
using facts::ThreadFacts;

template <typename T>
void fill(std::optional<T>& known, const std::optional<T>& added) {
  if (!known) known = added;
}

void add_thread(const ThreadFacts& from, ThreadFacts& to) {
  if (to.comm.empty()) to.comm = from.comm;
  if (to.wait.kind == facts::WaitKind::unknown) to.wait = from.wait;
  fill(to.state, from.state);
  fill(to.cpu_ns, from.cpu_ns);
  fill(to.voluntary_switches, from.voluntary_switches);
  fill(to.involuntary_switches, from.involuntary_switches);
  fill(to.sig_blk, from.sig_blk);
  fill(to.sig_pnd, from.sig_pnd);
}

// Only what the kernel said: the rest is in the core.
bool is_kernels(const facts::Reading& reading) {
  return reading.source == facts::Source::procfs || reading.source == facts::Source::sock_diag;
}

}  // namespace

void add_sidecar(const Snapshot& sidecar, Snapshot& core) {
  if (sidecar.target.pid != core.target.pid) {
    core.gaps.push_back(
        {"the sidecar of the core",
         fmt::format("it is of process {}, the core of process {}", sidecar.target.pid, core.target.pid),
         {}});
    return;
  }
  const auto process = std::move(core.kernel.process);
  core.kernel = sidecar.kernel;
  if (process.ppid) core.kernel.process.ppid = process.ppid;
  for (ThreadFacts& thread : core.threads)
    if (const auto* known = sidecar.thread(thread.tid)) add_thread(*known, thread);
  for (facts::Reading reading : sidecar.readings) {
    if (!is_kernels(reading)) continue;
    reading.source = facts::Source::snapshot;
    core.readings.push_back(std::move(reading));
  }
  if (sidecar.target.host == kernel::kSystemdCoredump) {
    if (sidecar.kernel.fds_known)
      std::erase_if(core.gaps, [](const facts::Gap& gap) { return gap.why == "the core has no kernel state"; });
    core.gaps.push_back(
        {"queues, and the other ends of sockets and pipes, when the core was written",
         fmt::format("{} are from systemd-coredump's journal fields of {}, which do not have them",
                     sidecar.kernel.fds_known ? "descriptors and signals" : "signals", sidecar.taken_at),
         {}});
    return;
  }
  std::erase_if(core.gaps, [](const facts::Gap& gap) { return gap.why == "the core has no kernel state"; });
  core.gaps.push_back({"what the kernel's state was when the core was written",
                       fmt::format("descriptors, queues, peers and the process are those of its sidecar, taken at {}",
                                   sidecar.taken_at),
                       {}});
}

}  // namespace hang::collect
