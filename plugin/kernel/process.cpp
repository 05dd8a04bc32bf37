// The process as a whole: identity, signal dispositions, children, and the walk over its threads.
#include <algorithm>
#include <fmt/format.h>
#include <string_view>

#include "kernel/kernel.h"
#include "kernel/proc_file.h"
#include "kernel/stat.h"
#include "kernel/stored.h"
#include "kernel/thread.h"

namespace hang::kernel {
namespace {

using facts::ProcessFacts;
using facts::Snapshot;

constexpr std::size_t kMostThreads = 65536, kMostChildren = 4096, kMostArguments = 4096;

Error ended(std::uint64_t pid, std::string_view how) {
  return Error{ErrorKind::no_such_process, fmt::format("process {} {}", pid, how)};
}

Result<void> read_stat(const ProcDir& dir, std::uint64_t pid, std::string& scratch, ProcessFacts& process) {
  const auto file = dir.read("stat", scratch);
  if (!file) return file.error();
  const Stat stat = parse_stat(file->text);
  // A main thread that called pthread_exit() is a zombie too, but other threads keep the process and its memory.
  if (stat.state == 'Z' && stat.num_threads.value_or(0) <= 1)
    return ended(pid, "has ended (zombie): its memory is gone");
  if (stat.ended() && stat.state != 'Z') return ended(pid, "has ended");
  process.state = stat.state;
  process.ppid = stat.ppid;
  process.pgrp = stat.pgrp;
  process.session = stat.session;
  process.tty_nr = stat.tty_nr;
  process.tpgid = stat.tpgid;
  process.start_ticks = stat.starttime;
  return {};
}

Result<void> read_status(const ProcDir& dir, std::uint64_t pid, std::string& scratch, ProcessFacts& process) {
  const auto file = dir.read("status", scratch);
  if (!file) return file.error();
  // /proc/TID exists for every thread, though it is not listed.
  const auto tgid = number_of<std::uint64_t>(file->text, "Tgid");
  if (tgid && *tgid != pid) {
    return Error{ErrorKind::no_such_process, fmt::format("{} is not a process but a thread of process {}", pid, *tgid)};
  }
  apply_status(file->text, process);
  return {};
}

void read_cmdline(const ProcDir& dir, std::string& scratch, Snapshot& snapshot) {
  const auto file = dir.read("cmdline", scratch);
  if (!file) {
    snapshot.gaps.push_back({"command line", file.error().message, {}});
    return;
  }
  std::string_view rest = file->text;
  auto& arguments = snapshot.kernel.process.cmdline;
  while (!rest.empty() && arguments.size() < kMostArguments) {
    const std::size_t end = rest.find('\0');
    arguments.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
}

// Children are listed by the thread that created them. False if this kernel does not (no CONFIG_PROC_CHILDREN).
bool read_children(const ProcDir& thread, std::string& scratch, ProcessFacts& process) {
  const auto file = thread.read("children", scratch);
  if (!file) {
    const bool thread_gone = !thread.read("comm", scratch).ok();
    return thread_gone || file.error().kind != ErrorKind::no_such_process;
  }
  Words words(file->text);
  while (process.children.size() < kMostChildren) {
    const auto pid = words.number<std::int64_t>();
    if (!pid) break;
    process.children.push_back({*pid, {}, '?', 0});
  }
  return true;
}

std::vector<std::uint64_t> all_processes() {
  std::vector<std::uint64_t> pids;
  const auto all = ProcDir::open_all();
  if (!all) return pids;
  NumberedEntries entries(*all);
  while (const auto pid = entries.next()) pids.push_back(*pid);
  return pids;
}

// The same by the parents of all processes, where there are fewer of those than this one has threads.
void find_children(const std::vector<std::uint64_t>& pids, std::uint64_t parent, std::string& scratch,
                   ProcessFacts& process) {
  for (const auto pid : pids) {
    const auto dir = ProcDir::open_process(pid);
    const auto file = dir ? dir->read("stat", scratch) : Result<ProcText>(dir.error());
    if (file && parse_stat(file->text).ppid == static_cast<std::int64_t>(parent) &&
        process.children.size() < kMostChildren)
      process.children.push_back({static_cast<std::int64_t>(pid), {}, '?', 0});
  }
}

// False if this kernel does not tell.
bool read_children(const ProcDir& tasks, std::uint64_t pid, std::string& scratch, Snapshot& snapshot) {
  constexpr std::size_t kManyThreads = 64;
  auto& process = snapshot.kernel.process;
  if (snapshot.threads.size() > kManyThreads) {
    if (const auto pids = all_processes(); pids.size() < snapshot.threads.size()) {
      find_children(pids, pid, scratch, process);
      return true;
    }
  }
  bool listed = true;
  for (const auto& thread : snapshot.threads)
    listed &= read_children(tasks.within(std::to_string(thread.tid).c_str()), scratch, process);
  return listed;
}

void name_children(std::string& scratch, ProcessFacts& process) {
  for (auto& child : process.children) {
    const auto dir = ProcDir::open_process(static_cast<std::uint64_t>(child.pid));
    if (!dir) continue;
    const auto file = dir->read("stat", scratch);
    if (!file) continue;
    const Stat stat = parse_stat(file->text);
    child.comm = stat.comm;
    child.state = stat.state.value_or('?');
  }
}

// What the walk over the threads could not see; one gap each, however many threads there are.
struct ThreadGaps {
  std::string syscall_refused, too_many;
  bool children_listed = true;

  void record(Snapshot& snapshot) const {
    if (!syscall_refused.empty()) {
      snapshot.gaps.push_back({"system calls of the threads", syscall_refused, {"S1", "L1", "G3", "L3", "N3"}});
    }
    if (!too_many.empty()) snapshot.gaps.push_back({"threads", too_many, {}});
    if (!children_listed) snapshot.gaps.push_back({"child processes", "this kernel does not list them", {"P2"}});
  }
};

Result<void> read_threads(const ProcDir& dir, std::uint64_t pid, std::string& scratch, Snapshot& snapshot) {
  const auto tasks = dir.open("task");
  if (!tasks) return tasks.error();
  ThreadGaps gaps;
  NumberedEntries tids(*tasks);
  while (const auto tid = tids.next()) {
    if (snapshot.threads.size() >= kMostThreads) {
      gaps.too_many = fmt::format("only the first {} were read", kMostThreads);
      break;
    }
    // A thread that ended since it was listed is simply not there any more.
    auto thread = read_thread(tasks->within(tids.name()), *tid, scratch, &gaps.syscall_refused);
    if (!thread) continue;
    snapshot.threads.push_back(std::move(*thread));
  }
  gaps.children_listed = read_children(*tasks, pid, scratch, snapshot);
  const auto dead = [](const facts::ThreadFacts& thread) { return thread.state == 'Z' || thread.state == 'X'; };
  if (std::all_of(snapshot.threads.begin(), snapshot.threads.end(), dead)) return ended(pid, "ended while it was read");
  gaps.record(snapshot);
  return {};
}

// The numbers that a process has in the pid namespaces from ours down to its own; empty if they cannot be read.
std::vector<std::int64_t> namespace_pids(std::uint64_t pid, std::string& scratch) {
  std::vector<std::int64_t> pids;
  const auto dir = ProcDir::open_process(pid);
  const auto file = dir ? dir->read("status", scratch) : Result<ProcText>(dir.error());
  const auto ids = file ? value_of(file->text, "NSpid") : std::nullopt;
  if (!ids) return pids;
  Words words(*ids);
  for (auto id = words.number<std::int64_t>(); id; id = words.number<std::int64_t>()) pids.push_back(*id);
  return pids;
}

// A process in another pid namespace waits for children by the numbers that they have there.
void name_as_their_parent_does(std::uint64_t pid, std::string& scratch, Snapshot& snapshot) {
  auto& children = snapshot.kernel.process.children;
  if (children.empty()) return;
  const auto depth = namespace_pids(pid, scratch).size();
  if (depth <= 1) return;
  for (auto& child : children)
    if (const auto pids = namespace_pids(static_cast<std::uint64_t>(child.pid), scratch); pids.size() >= depth)
      child.ns_pid = pids[depth - 1];
  for (auto& thread : snapshot.threads) {
    if (thread.wait.kind != facts::WaitKind::wait_child || !thread.wait.pid) continue;
    const auto child = std::find_if(children.begin(), children.end(),
                                    [&](const auto& known) { return known.ns_pid == *thread.wait.pid; });
    if (child != children.end()) thread.wait.pid = child->pid;
  }
}

}  // namespace

Result<void> read_process(std::uint64_t pid, Snapshot& snapshot) {
  const auto dir = ProcDir::open_process(pid);
  if (!dir) {
    if (dir.error().kind == ErrorKind::no_such_process) {
      return Error{ErrorKind::no_such_process, fmt::format("no process with pid {}", pid)};
    }
    return dir.error();
  }
  std::string scratch;
  auto& process = snapshot.kernel.process;
  if (const auto done = read_stat(*dir, pid, scratch, process); !done) return done.error();
  if (const auto done = read_status(*dir, pid, scratch, process); !done) return done.error();
  read_cmdline(*dir, scratch, snapshot);
  if (const auto done = read_threads(*dir, pid, scratch, snapshot); !done) return done.error();
  name_children(scratch, process);
  name_as_their_parent_does(pid, scratch, snapshot);
  return {};
}

}  // namespace hang::kernel
