// Another process that a wait leads to, as far as rules need it.
#include <algorithm>
#include <fmt/format.h>

#include "kernel/kernel.h"
#include "kernel/proc_file.h"
#include "kernel/stat.h"

namespace hang::kernel {
namespace {

constexpr std::size_t kMostThreads = 64;

// Its name, state and parent, which everybody may read, also of a zombie.
bool read_identity(std::uint64_t pid, facts::NeighbourFacts& neighbour) {
  const auto dir = ProcDir::open_process(pid);
  if (!dir) {
    neighbour.exists = dir.error().kind != ErrorKind::no_such_process;
    neighbour.why_unknown = dir.error().message;
    return false;
  }
  std::string scratch;
  const auto file = dir->read("stat", scratch);
  if (!file) {
    neighbour.why_unknown = file.error().message;
    return false;
  }
  const Stat stat = parse_stat(file->text);
  neighbour.exists = true;
  neighbour.comm = stat.comm;
  auto& process = neighbour.process;
  process.state = stat.state;
  process.ppid = stat.ppid;
  process.pgrp = stat.pgrp;
  process.session = stat.session;
  process.start_ticks = stat.starttime;
  return !stat.ended() || stat.num_threads.value_or(0) > 1;
}

}  // namespace

facts::NeighbourFacts read_neighbour(std::uint64_t pid) {
  facts::NeighbourFacts neighbour;
  neighbour.pid = pid;
  if (!read_identity(pid, neighbour)) return neighbour;
  facts::Snapshot snapshot;
  if (const auto done = read_process(pid, snapshot); !done) {
    neighbour.why_unknown = done.error().message;
    return neighbour;
  }
  neighbour.process = std::move(snapshot.kernel.process);
  neighbour.threads = std::move(snapshot.threads);
  neighbour.threads_known = std::none_of(neighbour.threads.begin(), neighbour.threads.end(), [](const auto& thread) {
    return thread.wait.kind == facts::WaitKind::unknown;
  });
  if (!neighbour.threads_known) neighbour.why_unknown = "the system calls of its threads may not be read";
  if (neighbour.threads.size() > kMostThreads) {
    neighbour.threads.resize(kMostThreads);
    neighbour.threads_known = false;
    neighbour.why_unknown = fmt::format("it has more than {} threads", kMostThreads);
  }
  return neighbour;
}

void read_neighbour_fds(facts::NeighbourFacts& neighbour) {
  facts::Snapshot snapshot;
  if (const auto done = read_fds(neighbour.pid, snapshot); !done) {
    neighbour.why_unknown = done.error().message;
    return;
  }
  std::vector<int> wanted;
  for (const auto& thread : neighbour.threads) {
    if (thread.wait.fd) wanted.push_back(*thread.wait.fd);
    wanted.insert(wanted.end(), thread.wait.fds.begin(), thread.wait.fds.end());
  }
  const auto is_wanted = [&](int fd) { return std::find(wanted.begin(), wanted.end(), fd) != wanted.end(); };
  for (const auto& fd : snapshot.kernel.fds)
    if (is_wanted(fd.fd))
      for (const auto& watch : fd.epoll) wanted.push_back(watch.fd);
  std::erase_if(snapshot.kernel.fds, [&](const facts::FdFacts& fd) { return !is_wanted(fd.fd); });
  neighbour.fds = std::move(snapshot.kernel.fds);
  neighbour.fds_known = true;
}

}  // namespace hang::kernel
