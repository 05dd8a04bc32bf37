#include "collect/neighbours.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <fmt/format.h>
#include <set>
#include <sys/uio.h>
#include <thread>

#include "collect/waits.h"
#include "kernel/kernel.h"
#include "target/target.h"

namespace hang::collect {

using facts::NeighbourFacts;
using facts::Snapshot;
using facts::WaitKind;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kMostProcesses = 64, kMostFdsOfWait = 64;
constexpr milliseconds kPatience{500}, kBetweenLooks{50};

// The memory of a process that is no target: the arguments of its system calls, nothing else.
class Arguments final : public Target {
 public:
  explicit Arguments(std::uint64_t pid) : pid_(pid) {}
  [[nodiscard]] TargetKind kind() const override { return TargetKind::live; }
  [[nodiscard]] std::uint64_t pid() const override { return pid_; }
  [[nodiscard]] bool local() const override { return true; }
  [[nodiscard]] bool stopped_by_host() const override { return false; }
  [[nodiscard]] std::uint64_t stop_id() const override { return 0; }
  Result<std::vector<Module>> modules() override { return none(); }
  Result<std::vector<TargetThread>> threads() override { return none(); }
  Result<RemoteAddr> symbol(const Module&, std::string_view) override { return none(); }
  Result<MemberLayout> member(std::string_view, std::string_view) override { return none(); }
  Result<CodeSymbol> code_symbol(RemoteAddr) override { return none(); }
  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) override {
    iovec ours{out.data(), out.size()};
    iovec theirs{reinterpret_cast<void*>(address.raw()), out.size()};  // NOLINT: an address there, not followed here
    const ssize_t count = process_vm_readv(static_cast<pid_t>(pid_), &ours, 1, &theirs, 1, 0);
    if (count <= 0) return Error{ErrorKind::unreadable, "its memory could not be read", address};
    return static_cast<std::size_t>(count);
  }

 private:
  static Error none() { return {ErrorKind::no_symbols, "not a target"}; }
  std::uint64_t pid_;
};

// Where the waits of one process lead.
class Leads {
 public:
  Leads(const std::vector<facts::FdFacts>& fds, const std::vector<facts::ChildFacts>& children)
      : fds_(fds), children_(children) {}

  void follow(const facts::Wait& wait) {
    switch (wait.kind) {
      case WaitKind::read:
      case WaitKind::recv:
      case WaitKind::write:
      case WaitKind::send:
      case WaitKind::connect: add_fd(wait.fd.value_or(-1)); break;
      case WaitKind::poll:
      case WaitKind::select:
        for (std::size_t i = 0; i < std::min(wait.fds.size(), kMostFdsOfWait); ++i) add_fd(wait.fds[i]);
        break;
      case WaitKind::epoll: add_set(wait.fd.value_or(-1)); break;
      case WaitKind::wait_child:
        if (wait.fd) add_fd(*wait.fd);
        if (wait.pid) add_child(*wait.pid);
        break;
      default: break;
    }
  }
  void add_child(std::int64_t pid) {
    if (pid > 0) return add(static_cast<std::uint64_t>(pid));
    for (const auto& child : children_) add(static_cast<std::uint64_t>(child.pid));
  }
  [[nodiscard]] const std::vector<std::uint64_t>& pids() const { return pids_; }

 private:
  void add(std::uint64_t pid) {
    if (seen_.insert(pid).second) pids_.push_back(pid);
  }
  void add_holders(const std::vector<facts::Holder>& holders) {
    for (const auto& holder : holders) add(holder.pid);
  }
  const facts::FdFacts* find(int number) const {
    const auto found = std::find_if(fds_.begin(), fds_.end(), [&](const auto& fd) { return fd.fd == number; });
    return found == fds_.end() ? nullptr : &*found;
  }
  void add_fd(int number) {
    const auto* fd = find(number);
    if (fd == nullptr) return;
    if (fd->pipe) add_holders(fd->readable ? fd->pipe->writers : fd->pipe->readers);
    if (fd->unix_socket) add_holders(fd->unix_socket->peer_holders);
    if (fd->inet) add_holders(fd->inet->peer_holders);
    if (fd->pid && *fd->pid > 0) add(static_cast<std::uint64_t>(*fd->pid));
  }
  void add_set(int number) {
    const auto* set = find(number);
    if (set == nullptr) return;
    for (std::size_t i = 0; i < std::min(set->epoll.size(), kMostFdsOfWait); ++i) add_fd(set->epoll[i].fd);
  }

  const std::vector<facts::FdFacts>& fds_;
  const std::vector<facts::ChildFacts>& children_;
  std::set<std::uint64_t> seen_;
  std::vector<std::uint64_t> pids_;
};

std::vector<std::uint64_t> first_leads(const Snapshot& snapshot) {
  Leads leads(snapshot.kernel.fds, snapshot.kernel.process.children);
  for (const auto& thread : snapshot.threads) leads.follow(thread.wait);
  for (const auto& state : snapshot.python->thread_states)
    if (state.child) leads.add_child(*state.child);
  for (const auto& loop : snapshot.python->loops)
    for (const auto& task : loop.tasks) {
      if (task.parked.pid && *task.parked.pid > 0) leads.add_child(*task.parked.pid);
      if (task.child && *task.child > 0) leads.add_child(*task.child);
    }
  return leads.pids();
}

NeighbourFacts look_at(std::uint64_t pid) {
  auto neighbour = kernel::read_neighbour(pid);
  if (neighbour.threads.empty()) return neighbour;
  Arguments memory(pid);
  complete_waits(memory, neighbour.threads);
  kernel::read_neighbour_fds(neighbour);
  return neighbour;
}

// What ran since the first look.
void look_again(NeighbourFacts& neighbour, double elapsed_ms) {
  neighbour.looked_ms = elapsed_ms;
  for (const auto& thread : neighbour.threads) {
    const auto now = kernel::read_thread(neighbour.pid, thread.tid);
    const bool same = now && now->voluntary_switches == thread.voluntary_switches &&
                      now->involuntary_switches == thread.involuntary_switches && now->cpu_ns == thread.cpu_ns;
    if (!same) neighbour.moved.push_back(thread.tid);
  }
}

}  // namespace

void read_neighbours(Snapshot& snapshot) {
  if (!snapshot.python) return;
  const auto begin = Clock::now();
  auto pids = first_leads(snapshot);
  std::deque<std::uint64_t> queue(pids.begin(), pids.end());
  std::set<std::uint64_t> seen{snapshot.target.pid};
  auto& found = snapshot.kernel.neighbours;
  while (!queue.empty()) {
    const auto pid = queue.front();
    queue.pop_front();
    if (pid == 0 || !seen.insert(pid).second) continue;
    if (found.size() >= kMostProcesses || Clock::now() - begin > kPatience) {
      snapshot.gaps.push_back({"all processes that the waits lead to",
                               fmt::format("only the first {} were looked at", found.size()),
                               {"P6", "B1", "B2"}});
      break;
    }
    found.push_back(look_at(pid));
    Leads leads(found.back().fds, found.back().process.children);
    for (const auto& thread : found.back().threads) leads.follow(thread.wait);
    queue.insert(queue.end(), leads.pids().begin(), leads.pids().end());
  }
  if (found.empty()) return;
  std::this_thread::sleep_until(begin + kBetweenLooks);
  const double elapsed = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  for (auto& neighbour : found) look_again(neighbour, elapsed);
}

}  // namespace hang::collect
