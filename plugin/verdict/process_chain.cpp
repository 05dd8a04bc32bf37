#include "verdict/process_chain.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace hang::verdict {

using facts::FdFacts;
using facts::FdType;
using facts::Holder;
using facts::NeighbourFacts;
using facts::ThreadFacts;
using facts::Wait;
using facts::WaitKind;

class ChainBuilder {
 public:
  ChainBuilder(const Process& process, ProcessChain& chain)
      : process_(process), facts_(process.facts()), chain_(chain) {}

  void build();

 private:
  // What is known of the process whose threads are looked at.
  struct Owner {
    std::uint64_t pid = 0;
    const std::vector<ThreadFacts>* threads = nullptr;
    const std::vector<FdFacts>* fds = nullptr;
    const std::vector<facts::ChildFacts>* children = nullptr;
    const NeighbourFacts* neighbour = nullptr;  // null: this process itself
  };

  std::size_t add(std::uint64_t pid, std::uint64_t tid);
  void raise(std::size_t actor, Ability ability, std::string why);
  // Too little was seen of it: it may do anything.
  void guess(std::size_t actor, std::string why) {
    raise(actor, Ability::able, std::move(why));
    chain_.actors_[actor].guessed = true;
  }
  void link(std::size_t from, std::size_t to, Need need, int fd, std::string what, std::string evidence);
  void add_process(const Owner& owner);
  void add_thread(const Owner& owner, const ThreadFacts& thread);
  void follow(const Owner& owner, const ThreadFacts& thread, std::size_t at);
  void follow_futex(const Owner& owner, const ThreadFacts& thread, std::size_t at);
  void follow_epoll(const Owner& owner, const ThreadFacts& thread, std::size_t at);
  void follow_child(const Owner& owner, std::size_t at, std::int64_t pid, const std::string& how);
  void follow_fd(const Owner& owner, std::size_t at, int number, bool reading, const std::string& how);
  void follow_pipe(const Owner& owner, std::size_t at, const FdFacts& fd, bool reading, const std::string& how);
  void follow_unix(const Owner& owner, std::size_t at, const FdFacts& fd, bool reading, const std::string& how);
  void follow_inet(const Owner& owner, std::size_t at, const FdFacts& fd, bool reading, const std::string& how);
  void follow_holders(std::size_t at, const std::vector<Holder>& holders, Need need, int fd, const std::string& what,
                      const std::string& role);
  // All who hold it are known. What a process that the walk came to inherited, it has from its family, and what this
  // one has close-on-exec it made itself: there a stranger is taken not to have the other end.
  template <typename Object>
  static bool are_known(const Owner& owner, const FdFacts& fd, const Object& object) {
    return object.holders_complete || (object.strangers_unread && (owner.neighbour != nullptr || fd.cloexec));
  }
  bool is_bystander(const Owner& owner, const ThreadFacts& thread) const;
  std::size_t process_of(std::uint64_t pid);
  std::size_t main_of(std::uint64_t pid);
  void settle();

  const Process& process_;
  const facts::Snapshot& facts_;
  ProcessChain& chain_;
};

std::size_t ChainBuilder::add(std::uint64_t pid, std::uint64_t tid) {
  const auto [found, fresh] = chain_.index_.try_emplace({pid, tid}, chain_.actors_.size());
  if (fresh) {
    Actor actor;
    actor.pid = pid;
    actor.tid = tid;
    chain_.actors_.push_back(std::move(actor));
  }
  return found->second;
}

void ChainBuilder::raise(std::size_t at, Ability ability, std::string why) {
  auto& actor = chain_.actors_[at];
  if (ability <= actor.base && !actor.why.empty()) return;
  actor.base = std::max(actor.base, ability);
  actor.why = std::move(why);
}

void ChainBuilder::link(std::size_t from, std::size_t to, Need need, int fd, std::string what, std::string evidence) {
  chain_.actors_[from].links.push_back(chain_.links_.size());
  chain_.links_.push_back({from, to, need, fd, std::move(what), std::move(evidence)});
}

// Any thread of that process. One that was not looked at may do anything.
std::size_t ChainBuilder::process_of(std::uint64_t pid) {
  const auto at = add(pid, 0);
  if (pid == chain_.own_) return at;
  const auto* neighbour = facts_.neighbour(pid);
  if (neighbour == nullptr) {
    guess(at, "was not looked at");
  } else if (neighbour->exists && (neighbour->process.state == 'Z' || neighbour->process.state == 'X')) {
    chain_.actors_[at].why = "has ended";
  } else if (neighbour->exists && (!neighbour->threads_known || neighbour->threads.empty())) {
    guess(at, "could not be looked into");
  }
  return at;
}

std::size_t ChainBuilder::main_of(std::uint64_t pid) {
  const auto* neighbour = facts_.neighbour(pid);
  const bool known = neighbour != nullptr && neighbour->threads_known && !neighbour->threads.empty();
  return known ? add(pid, pid) : process_of(pid);
}

void ChainBuilder::build() {
  const auto& kernel = facts_.kernel;
  add_process({chain_.own_, &facts_.threads, &kernel.fds, &kernel.process.children, nullptr});
  for (const auto& n : kernel.neighbours) add_process({n.pid, &n.threads, &n.fds, &n.process.children, &n});
  settle();
}

void ChainBuilder::add_process(const Owner& owner) {
  const auto any = process_of(owner.pid);
  for (const auto& thread : *owner.threads) {
    const auto at = add(owner.pid, thread.tid);
    link(any, at, Need::lock, -1, "", "");
    add_thread(owner, thread);
  }
}

// A thread of this process that wakes by a timer, and whose code can then do nothing but sleep again.
bool ChainBuilder::is_bystander(const Owner& owner, const ThreadFacts& thread) const {
  if (owner.neighbour != nullptr || thread.tid == process_.main_tid()) return false;
  const auto* state = process_.current_state(thread.tid);
  return state != nullptr && state->only_sleeps == true;
}

void ChainBuilder::add_thread(const Owner& owner, const ThreadFacts& thread) {
  const auto at = chain_.index_.at({owner.pid, thread.tid});
  const bool held = owner.neighbour == nullptr && facts_.target.stopped_by_host;
  if (!held && (thread.state == 'T' || thread.state == 't')) {
    chain_.actors_[at].stopped = true;
    return;
  }
  if (thread.state == 'Z' || thread.state == 'X') return;
  if (is_bystander(owner, thread)) return;
  if (owner.neighbour != nullptr) {
    const auto& moved = owner.neighbour->moved;
    if (std::find(moved.begin(), moved.end(), thread.tid) != moved.end())
      return raise(at, Ability::able, "ran while it was looked at");
  } else if (process_.waits_for_gil(thread.tid)) {
    return raise(at, Ability::able, "waits for the GIL");
  }
  if (thread.wait.timeout_ms && !is_endless(thread.wait)) {
    chain_.actors_[at].timed = true;
    raise(at, Ability::able, fmt::format("sleeps for {}", duration(static_cast<double>(*thread.wait.timeout_ms))));
    return;
  }
  follow(owner, thread, at);
}

void ChainBuilder::follow(const Owner& owner, const ThreadFacts& thread, std::size_t at) {
  const auto& wait = thread.wait;
  const int fd = wait.fd.value_or(-1);
  switch (wait.kind) {
    case WaitKind::none: return raise(at, Ability::able, "runs");
    case WaitKind::nanosleep: chain_.actors_[at].timed = true; return raise(at, Ability::able, "sleeps");
    case WaitKind::futex: return follow_futex(owner, thread, at);
    case WaitKind::epoll: return follow_epoll(owner, thread, at);
    case WaitKind::poll:
    case WaitKind::select:
      if (wait.fds.empty()) return raise(at, Ability::unclear, "waits in " + wait.name);
      for (int each : wait.fds) follow_fd(owner, at, each, true, wait.name);
      return;
    case WaitKind::read:
    case WaitKind::recv:
    case WaitKind::connect: return follow_fd(owner, at, fd, true, wait.name);
    case WaitKind::write:
    case WaitKind::send: return follow_fd(owner, at, fd, false, wait.name);
    case WaitKind::accept: return raise(at, Ability::able, "waits for connections");
    case WaitKind::wait_child:
      if (wait.fd) return follow_fd(owner, at, *wait.fd, true, wait.name);
      return follow_child(owner, at, wait.pid.value_or(-1), wait.name);
    case WaitKind::signal: return raise(at, Ability::unclear, "waits for a signal");
    case WaitKind::other:
    case WaitKind::unknown: return guess(at, "is in " + (wait.name.empty() ? "a call" : wait.name));
  }
}

// A lock: of this process it is known what its main thread and its joins wait for. Of another one it is known only that
// a private lock is released by that process itself; what its main thread waits for may be a signal as well.
void ChainBuilder::follow_futex(const Owner& owner, const ThreadFacts& thread, std::size_t at) {
  constexpr std::uint64_t kPrivate = 128;  // FUTEX_PRIVATE_FLAG, include/uapi/linux/futex.h
  const bool is_private = thread.wait.args.size() > 1 && (thread.wait.args[1] & kPrivate) != 0;
  if (owner.neighbour != nullptr) {
    if (thread.tid == owner.pid || !is_private || !thread.wait.timeout_ms)
      raise(at, Ability::unclear, "waits for a lock");
    return link(at, process_of(owner.pid), Need::lock, -1, "a lock", "futex");
  }
  if (!thread.wait.timeout_ms) raise(at, Ability::unclear, "waits for a lock");
  if (const auto joined = process_.joins(thread.tid); joined != 0)
    return link(at, add(owner.pid, joined), Need::thread_end, -1,
                fmt::format("the end of {}", process_.thread_label(joined)), "futex, Thread.join");
  if (thread.tid == process_.main_tid()) raise(at, Ability::unclear, "waits for a lock");
  link(at, process_of(owner.pid), Need::lock, -1, "a lock", "futex");
}

void ChainBuilder::follow_epoll(const Owner& owner, const ThreadFacts& thread, std::size_t at) {
  const auto* loop = owner.neighbour == nullptr ? process_.loop_of(thread.tid) : nullptr;
  if (loop == nullptr) raise(at, Ability::unclear, "waits in " + thread.wait.name);
  if (loop != nullptr && (!loop->signal_handlers.empty() || !loop->wakers_searched))
    raise(at, Ability::unclear, "its loop has handlers of signals, or threads that may call into it");
  if (loop != nullptr && (loop->ready.value_or(1) != 0 || !loop->in_selector))
    raise(at, Ability::able, "its loop has work");
  const auto set = std::find_if(owner.fds->begin(), owner.fds->end(),
                                [&](const FdFacts& fd) { return fd.fd == thread.wait.fd.value_or(-1); });
  if (set == owner.fds->end()) return guess(at, "waits in " + thread.wait.name);
  for (const auto& entry : set->epoll) {
    const bool own =
        loop != nullptr && std::find(loop->own_fds.begin(), loop->own_fds.end(), entry.fd) != loop->own_fds.end();
    constexpr std::uint32_t kInOrOut = 0x1 | 0x2 | 0x4 | 0x2000;
    if (!own && (entry.events & kInOrOut) != 0)
      follow_fd(owner, at, entry.fd, (entry.events & 0x3) != 0, thread.wait.name);
  }
  if (loop == nullptr) return;
  for (const auto waker : loop->wakers)
    if (waker != thread.tid) link(at, add(owner.pid, waker), Need::lock, -1, "a call into its loop", "reference");
}

void ChainBuilder::follow_child(const Owner& owner, std::size_t at, std::int64_t pid, const std::string& how) {
  const auto wait_for = [&](std::uint64_t child) {
    if (child == chain_.own_)  // by one of the neighbours, its parent
      return link(at, add(child, process_.main_tid()), Need::child_end, -1, "the end of this process", how);
    const auto* neighbour = facts_.neighbour(child);
    if (chain_.has_ended(child) || neighbour == nullptr)
      return raise(at, Ability::able, fmt::format("waits for {}, which has ended or is not known", child));
    link(at, main_of(child), Need::child_end, -1, fmt::format("the end of {}", chain_.process_label(child)), how);
  };
  if (pid > 0) return wait_for(static_cast<std::uint64_t>(pid));
  if (owner.children->empty()) return raise(at, Ability::able, "waits for a child");
  for (const auto& child : *owner.children)
    if (child.state != 'Z') wait_for(static_cast<std::uint64_t>(child.pid));
}

void ChainBuilder::follow_fd(const Owner& owner, std::size_t at, int number, bool reading, const std::string& how) {
  const auto fd = std::find_if(owner.fds->begin(), owner.fds->end(), [&](const FdFacts& f) { return f.fd == number; });
  if (fd == owner.fds->end()) return guess(at, fmt::format("waits for fd {}, which is not known", number));
  switch (fd->type) {
    case FdType::pipe:
    case FdType::fifo: return follow_pipe(owner, at, *fd, reading && fd->readable, how);
    case FdType::unix_socket: return follow_unix(owner, at, *fd, reading, how);
    case FdType::inet_socket: return follow_inet(owner, at, *fd, reading, how);
    case FdType::pidfd:
      if (fd->pid && *fd->pid > 0) return follow_child(owner, at, *fd->pid, "pidfd");
      return raise(at, Ability::able, "waits for a process that has ended");
    case FdType::eventfd:
      if (owner.neighbour == nullptr)
        return link(at, process_of(owner.pid), Need::lock, number, fmt::format("the eventfd {}", number), how);
      return raise(at, Ability::unclear, "waits for an eventfd");
    case FdType::timerfd:
      if (!fd->timer_ms) return raise(at, Ability::unclear, "waits for a timer that is not set");
      break;
    case FdType::signalfd: return raise(at, Ability::unclear, "waits for a signal");
    case FdType::tty: return raise(at, Ability::able, fmt::format("waits for the terminal {}", fd->target));
    default: break;
  }
  raise(at, Ability::able, fmt::format("waits for {}", fd->target));
}

void ChainBuilder::follow_pipe(const Owner& owner, std::size_t at, const FdFacts& fd, bool reading,
                               const std::string& how) {
  if (!fd.pipe) return guess(at, "waits for a pipe that could not be read");
  const auto& pipe = *fd.pipe;
  const auto& holders = reading ? pipe.writers : pipe.readers;
  if (!are_known(owner, fd, pipe) || holders.empty())
    return guess(at, fmt::format("waits for the pipe of fd {}", fd.fd));
  if (reading && pipe.unread != 0U) return raise(at, Ability::able, fmt::format("has data to read in fd {}", fd.fd));
  if (owner.neighbour == nullptr)
    for (const auto& holder : holders)
      if (holder.pid == chain_.own_ && holder.fd == process_.python().signals.wakeup_fd)
        raise(at, Ability::unclear, "waits for a signal");
  const auto what = reading ? fmt::format("data in the pipe of fd {}, which is empty", fd.fd)
                            : fmt::format("room in the pipe of fd {}{}", fd.fd,
                                          pipe.unread ? fmt::format(", with {} unread bytes", *pipe.unread) : "");
  follow_holders(at, holders, reading ? Need::data : Need::room, fd.fd, what,
                 fmt::format("{}; {}", how, reading ? "has the writing end" : "has the reading end"));
}

void ChainBuilder::follow_unix(const Owner& owner, std::size_t at, const FdFacts& fd, bool reading,
                               const std::string& how) {
  const auto& socket = fd.unix_socket;
  if (!socket || socket->peer_inode.value_or(0) == 0 || socket->state == "listen" || socket->type == "dgram" ||
      !are_known(owner, fd, *socket) || socket->peer_holders.empty())
    return guess(at, fmt::format("waits for the socket {}", fd.fd));
  if (reading && socket->rqueue != 0U) return raise(at, Ability::able, fmt::format("has data to read in fd {}", fd.fd));
  follow_holders(at, socket->peer_holders, reading ? Need::data : Need::room, fd.fd,
                 fmt::format("{} the unix socket of fd {}{}", reading ? "data in" : "room in", fd.fd,
                             reading ? ", which is empty" : ""),
                 how + "; has the other end");
}

void ChainBuilder::follow_inet(const Owner&, std::size_t at, const FdFacts& fd, bool reading, const std::string& how) {
  const auto& socket = fd.inet;
  if (!socket || socket->state != "ESTABLISHED" || !socket->protocol.starts_with("tcp") || !socket->peer_local ||
      socket->peer_holders.empty())
    return raise(at, Ability::able, fmt::format("waits for the network (fd {})", fd.fd));
  if (reading && socket->rqueue != 0) return raise(at, Ability::able, fmt::format("has data to read in fd {}", fd.fd));
  follow_holders(at, socket->peer_holders,
                 socket->unaccepted ? Need::connection
                 : reading          ? Need::data
                                    : Need::room,
                 fd.fd,
                 fmt::format("{} the connection of fd {} to {}{}", reading ? "data in" : "room in", fd.fd,
                             socket->remote, socket->unaccepted ? ", which was not accepted yet" : ""),
                 how + (socket->unaccepted ? "; has the listening socket" : "; has the other end"));
}

void ChainBuilder::follow_holders(std::size_t at, const std::vector<Holder>& holders, Need need, int fd,
                                  const std::string& what, const std::string& role) {
  std::set<std::uint64_t> seen;
  for (const bool others : {true, false})  // the walk takes the first that keeps it
    for (const auto& holder : holders)
      if ((holder.pid != chain_.own_) == others && seen.insert(holder.pid).second)
        link(at, process_of(holder.pid), need, fd, what, fmt::format("{}, fd {}", role, holder.fd));
}

// The least fixed point: an actor is as able as the ablest that it waits for.
void ChainBuilder::settle() {
  for (auto& actor : chain_.actors_) actor.ability = actor.base;
  for (bool changed = true; changed;) {
    changed = false;
    for (auto& actor : chain_.actors_)
      for (const auto index : actor.links) {
        const auto of = chain_.actors_[chain_.links_[index].to].ability;
        if (of <= actor.ability) continue;
        actor.ability = of;
        changed = true;
      }
  }
}

ProcessChain::ProcessChain(const Process& process) : process_(&process), own_(process.facts().target.pid) {
  ChainBuilder(process, *this).build();
}

const Actor* ProcessChain::thread(std::uint64_t pid, std::uint64_t tid) const {
  const auto found = index_.find({pid, tid});
  return found == index_.end() ? nullptr : &actors_[found->second];
}

std::string ProcessChain::process_label(std::uint64_t pid) const {
  if (pid == own_) return "this process";
  const auto* neighbour = process_->facts().neighbour(pid);
  return neighbour == nullptr || neighbour->comm.empty() ? fmt::format("process {}", pid)
                                                         : fmt::format("process {} ({})", pid, neighbour->comm);
}

bool ProcessChain::rests(std::uint64_t pid) const {
  const auto* neighbour = process_->facts().neighbour(pid);
  return pid == own_ || (neighbour != nullptr && neighbour->looked_ms > 0 && neighbour->moved.empty());
}

bool ProcessChain::has_ended(std::uint64_t pid) const {
  for (const auto& child : process_->facts().kernel.process.children)
    if (child.pid == static_cast<std::int64_t>(pid) && child.state == 'Z') return true;
  const auto* neighbour = process_->facts().neighbour(pid);
  return neighbour != nullptr &&
         (!neighbour->exists ||
          ((neighbour->process.state == 'Z' || neighbour->process.state == 'X') && neighbour->threads.empty()));
}

const Actor& ProcessChain::target(const Link& link) const {
  const auto& to = actors_[link.to];
  if (to.tid != 0) return to;
  // The main thread tells most; of this process it is where the walk began.
  const Actor* best = nullptr;
  for (const auto index : to.links) {
    const auto& thread = actors_[links_[index].to];
    const bool main = thread.tid == to.pid || (to.pid == own_ && thread.tid == process_->main_tid());
    if (best == nullptr || main || thread.ability > best->ability) best = &thread;
    if (main && thread.ability == to.ability) break;
  }
  return best == nullptr ? to : *best;
}

std::vector<std::size_t> ProcessChain::walk(std::uint64_t pid, std::uint64_t tid) const {
  constexpr std::size_t kMost = 64;
  std::vector<std::size_t> walk;
  std::set<const Actor*> seen;
  const Actor* at = thread(pid, tid);
  while (at != nullptr && seen.insert(at).second && !at->links.empty() && walk.size() < kMost) {
    // The one that could end the wait soonest, else the first: others' processes come before this one.
    std::size_t best = at->links.front();
    for (const auto index : at->links)
      if (actors_[links_[index].to].ability > actors_[links_[best].to].ability) best = index;
    // Of a lock inside of a process, the thread that waits for something outside of it.
    if (links_[best].need == Need::lock && actors_[links_[best].to].tid == 0) {
      const Actor* other = nullptr;
      for (const auto index : actors_[links_[best].to].links) {
        const auto& thread = actors_[links_[index].to];
        const bool outward = !thread.links.empty() && links_[thread.links.front()].need != Need::lock;
        if (&thread != at && outward && !seen.contains(&thread)) other = &thread;
      }
      if (other == nullptr) break;
      walk.push_back(best);
      walk.push_back(other->links.front());
      at = &target(links_[other->links.front()]);
      continue;
    }
    walk.push_back(best);
    at = &target(links_[best]);
  }
  return walk;
}

std::vector<PathEdge> ProcessChain::path(const std::vector<std::size_t>& walk) const {
  std::vector<PathEdge> path;
  for (const auto index : walk) {
    const auto& link = links_[index];
    const auto& to = target(link);
    auto edge = "waits for " + link.what;
    if (link.need == Need::data || link.need == Need::room || link.need == Need::connection)
      edge += fmt::format("; the other end is held by {}", to.pid == own_ ? "this process" : process_label(to.pid));
    path.push_back({label(actors_[link.from]), edge, {link.evidence}, true});
  }
  return path;
}

std::string ProcessChain::label(const Actor& actor) const {
  if (actor.pid == own_ && actor.tid != 0) return node_label(*process_, actor.tid);
  const auto process = process_label(actor.pid);
  return actor.tid == 0 || actor.tid == actor.pid ? process : fmt::format("thread {} of {}", actor.tid, process);
}

const Actor& ProcessChain::source(const Actor& actor) const {
  const auto walk = this->walk(actor.pid, actor.tid);
  return walk.empty() ? actor : target(links_[walk.back()]);
}

std::string ProcessChain::doing(const Actor& actor) const {
  const auto& thread = actor.tid == 0 ? target({0, index_.at({actor.pid, 0}), Need::lock, -1, {}, {}}) : actor;
  if (thread.stopped) return "is stopped";
  if (!thread.links.empty() && thread.base == Ability::none) return "waits for " + links_[thread.links.front()].what;
  return thread.why.empty() ? "sleeps" : thread.why;
}

}  // namespace hang::verdict
