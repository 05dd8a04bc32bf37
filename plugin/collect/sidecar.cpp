#include "collect/sidecar.h"

#include <algorithm>
#include <cstdint>
#include <fmt/format.h>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/stored.h"

namespace hang::collect {
namespace {

using facts::PythonFacts;
using facts::Snapshot;
using facts::ThreadFacts;

template <typename T>
void fill(std::optional<T>& known, const std::optional<T>& added) {
  if (!known) known = added;
}

// restart_syscall: the call went on after a stop, and which one it is the kernel alone knows.
bool is_unknown(const facts::Wait& wait) {
  return wait.kind == facts::WaitKind::unknown || wait.name == "restart_syscall";
}

void add_thread(const ThreadFacts& from, ThreadFacts& to) {
  if (to.comm.empty()) to.comm = from.comm;
  if (is_unknown(to.wait) && !is_unknown(from.wait)) to.wait = from.wait;
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

std::uint64_t number_inside(const ThreadFacts& thread) {
  return thread.ns_tid != 0 ? thread.ns_tid : thread.tid;
}

// Whether the core has the numbers of the process's own pid namespace, and the sidecar those of another.
bool core_is_inside(const Snapshot& sidecar, const Snapshot& core) {
  const auto* main = sidecar.thread(sidecar.target.pid);
  return sidecar.target.pid != core.target.pid && main != nullptr && main->ns_tid == core.target.pid;
}

// The file's name, without what /proc says of one that was removed.
std::string_view file_name(std::string_view path) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  return path.substr(path.rfind('/') + 1);
}

const facts::InterpreterFacts* main_interpreter(const PythonFacts& python) {
  const auto& all = python.interpreters;
  const auto found = std::find_if(all.begin(), all.end(), [](const auto& one) { return one.is_main; });
  return found == all.end() ? nullptr : &*found;
}

// pthread_self() of the main thread, 0 if not known: it lies elsewhere in each process, even if the program does not.
std::uint64_t main_thread_id(const PythonFacts& python) {
  for (const auto& state : python.thread_states)
    if (state.tid == python.main_tid) return state.thread_id;
  return 0;
}

// Why the CPython of the sidecar is not that of the core; "" if it is.
std::string other_python(const PythonFacts& sidecar, const PythonFacts& core) {
  if (sidecar.hexversion != core.hexversion)
    return fmt::format("it is of CPython {}, the core of {}", sidecar.version, core.version);
  const auto differ = [](std::uint64_t a, std::uint64_t b) { return a != 0 && b != 0 && a != b; };
  if (differ(sidecar.runtime, core.runtime))
    return fmt::format("its CPython runtime is at {:#x}, that of the core at {:#x}", sidecar.runtime, core.runtime);
  const auto *there = main_interpreter(sidecar), *here = main_interpreter(core);
  if (there != nullptr && here != nullptr && differ(there->address, here->address))
    return fmt::format("its main interpreter is at {:#x}, that of the core at {:#x}", there->address, here->address);
  const auto its = main_thread_id(sidecar), ours = main_thread_id(core);
  if (differ(its, ours)) return fmt::format("its main thread has the ident {:#x}, that of the core {:#x}", its, ours);
  return {};
}

// Why the sidecar is not of the core's process; "" if it may be. Pids alone say little: that of a container is 1.
std::string other_process(const Snapshot& sidecar, const Snapshot& core) {
  if (sidecar.target.pid != core.target.pid && !core_is_inside(sidecar, core))
    return fmt::format("it is of process {}, the core of process {}", sidecar.target.pid, core.target.pid);
  const auto its = file_name(sidecar.target.exe), ours = file_name(core.target.exe);
  if (!its.empty() && !ours.empty() && its != ours) return fmt::format("it is of {}, the core of {}", its, ours);
  if (sidecar.python && core.python) return other_python(*sidecar.python, *core.python);
  // What a core's own writer took has all of its threads: they stay until it is written.
  if (sidecar.threads.empty() || sidecar.target.host == kernel::kSystemdCoredump) return {};
  const bool inside = core_is_inside(sidecar, core);
  for (const ThreadFacts& thread : core.threads) {
    const auto known = std::any_of(sidecar.threads.begin(), sidecar.threads.end(), [&](const ThreadFacts& one) {
      return (inside ? number_inside(one) : one.tid) == thread.tid;
    });
    if (!known) return fmt::format("it does not have thread {} of the core", thread.tid);
  }
  return {};
}

// Gives the core's process and threads the numbers that the sidecar has for them.
void take_numbers(const Snapshot& sidecar, Target& target, Snapshot& core) {
  if (!core_is_inside(sidecar, core)) {
    for (ThreadFacts& thread : core.threads)
      if (const auto* known = sidecar.thread(thread.tid)) thread.ns_tid = known->ns_tid;
    return;
  }
  std::map<std::uint64_t, std::uint64_t> numbers;
  for (const ThreadFacts& thread : sidecar.threads) numbers.emplace(number_inside(thread), thread.tid);
  for (ThreadFacts& thread : core.threads) {
    thread.ns_tid = thread.tid;
    if (const auto found = numbers.find(thread.tid); found != numbers.end()) thread.tid = found->second;
  }
  target.renumber_threads(numbers);
  core.target.pid = sidecar.target.pid;
  core.kernel.process.ppid = sidecar.kernel.process.ppid;
}

// Children have the numbers of the process's own namespace in its registers.
void translate_waits(Snapshot& core) {
  for (ThreadFacts& thread : core.threads)
    for (const auto& child : core.kernel.process.children)
      if (thread.wait.pid && child.ns_pid != 0 && child.ns_pid == *thread.wait.pid) {
        thread.wait.pid = child.pid;
        break;
      }
}

}  // namespace

void add_sidecar(const Snapshot& sidecar, Target& target, Snapshot& core) {
  if (auto why = other_process(sidecar, core); !why.empty()) {
    core.gaps.push_back({"the sidecar of the core", std::move(why), {}});
    return;
  }
  take_numbers(sidecar, target, core);
  const auto process = std::move(core.kernel.process);
  core.kernel = sidecar.kernel;
  if (process.ppid) core.kernel.process.ppid = process.ppid;
  translate_waits(core);
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
