// B2 pipe-held-open-by-third-party: a reader waits for the end of an empty pipe. The child that should have closed it
// has ended, and somebody else still has the writing end: a process that inherited it, or this process itself.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::FdFacts;
using facts::Holder;
using facts::WaitKind;

// Somebody of this process who reads until the end.
struct Reader {
  std::uint64_t tid = 0;
  std::vector<int> fds;
  std::optional<std::int64_t> child;  // whose output it is, as Python's objects say
  bool child_ended = false;
};

// The writers of an empty pipe or of a socket's other end; null if it is neither.
const std::vector<Holder>* writers_of(const FdFacts& fd) {
  if (fd.pipe && fd.readable && fd.pipe->unread == 0U && fd.pipe->holders_complete) return &fd.pipe->writers;
  if (fd.unix_socket && fd.unix_socket->rqueue == 0U &&
      (fd.unix_socket->holders_complete || (fd.unix_socket->strangers_unread && fd.cloexec)) &&
      fd.unix_socket->state == "established")
    return &fd.unix_socket->peer_holders;
  return nullptr;
}

std::optional<Reader> loop_reader(const Case& c, const facts::LoopFacts& loop) {
  const auto* thread = c.process.thread(loop.tid);
  const auto* set = thread != nullptr && thread->wait.fd ? c.process.facts().fd(*thread->wait.fd) : nullptr;
  if (set == nullptr || !loop.in_selector) return std::nullopt;
  for (const auto& task : loop.tasks) {
    if (!task.child) continue;
    Reader reader{loop.tid, {}, task.child, task.child_ended == true};
    for (const auto& entry : set->epoll)
      if (std::find(loop.own_fds.begin(), loop.own_fds.end(), entry.fd) == loop.own_fds.end())
        reader.fds.push_back(entry.fd);
    return reader;
  }
  return std::nullopt;
}

std::optional<Reader> find_reader(const Case& c) {
  const auto tid = end_of_joins(c.process, c.process.main_tid());
  const auto* thread = c.process.thread(tid);
  const auto* state = c.process.current_state(tid);
  if (thread == nullptr || state == nullptr) return std::nullopt;
  if (const auto* loop = c.process.loop_of(tid)) return loop_reader(c, *loop);
  Reader reader{tid, thread->wait.fds, state->child, false};
  const auto kind = thread->wait.kind;
  if (kind == WaitKind::read || kind == WaitKind::recv) reader.fds = {thread->wait.fd.value_or(-1)};
  const bool reads =
      kind == WaitKind::read || kind == WaitKind::recv || kind == WaitKind::poll || kind == WaitKind::select;
  if (!reads || (thread->wait.timeout_ms && !is_endless(thread->wait))) return std::nullopt;
  return reader;
}

bool runs_now(const Case& c, const Holder& holder) {
  const auto* neighbour = c.process.facts().neighbour(holder.pid);
  return neighbour == nullptr || neighbour->threads.empty() ||
         std::any_of(neighbour->threads.begin(), neighbour->threads.end(),
                     [](const auto& thread) { return thread.wait.kind == WaitKind::none; });
}

// Started by a child of this process that is alive, or that child itself: it may be the partner.
bool is_of_live_child(const Case& c, const Holder& holder) {
  const auto& children = c.process.facts().kernel.process.children;
  const auto* neighbour = c.process.facts().neighbour(holder.pid);
  const std::int64_t parent = neighbour == nullptr ? -1 : neighbour->process.ppid.value_or(-1);
  return std::any_of(children.begin(), children.end(), [&](const facts::ChildFacts& child) {
    return child.state != 'Z' && (child.pid == static_cast<std::int64_t>(holder.pid) || child.pid == parent);
  });
}

// Its parent has ended: it was handed to init, or to whoever collects orphans here. That it is younger than this
// process and has what this process made tells that its parent was a child of this one.
bool is_orphan(const Case& c, const Holder& holder) {
  const auto* neighbour = c.process.facts().neighbour(holder.pid);
  const auto& own = c.process.facts().kernel.process;
  return neighbour != nullptr && neighbour->process.ppid && neighbour->process.start_ticks && own.start_ticks &&
         (*neighbour->process.ppid == 1 || *neighbour->process.ppid == own.ppid) &&
         *neighbour->process.start_ticks >= *own.start_ticks;
}

struct Verdicted {
  Confidence confidence = Confidence::likely;
  std::string why;  // "the child 12 has ended"
};

// The partner has ended, and these others hold its end.
std::optional<Verdicted> third_party(const Case& c, const Reader& reader, const FdFacts& fd,
                                     const std::vector<Holder>& others) {
  const bool moved =
      std::any_of(others.begin(), others.end(), [&](const Holder& holder) { return !c.chain.rests(holder.pid); });
  if (std::any_of(others.begin(), others.end(), [&](const Holder& holder) { return runs_now(c, holder); }))
    return std::nullopt;
  if (reader.child) {
    const auto pid = static_cast<std::uint64_t>(*reader.child);
    const bool holds = std::any_of(others.begin(), others.end(), [&](const Holder& h) { return h.pid == pid; });
    if (holds || (!reader.child_ended && !c.chain.has_ended(pid))) return std::nullopt;
    return Verdicted{moved ? Confidence::likely : confidence_of_sleep(c.process, reader.tid),
                     fmt::format("its child {} has ended", pid)};
  }
  if (moved || std::any_of(others.begin(), others.end(), [&](const Holder& h) { return is_of_live_child(c, h); }))
    return std::nullopt;
  const auto& children = c.process.facts().kernel.process.children;
  const auto dead =
      std::find_if(children.begin(), children.end(), [](const auto& child) { return child.state == 'Z'; });
  if (dead != children.end())
    return Verdicted{Confidence::likely, fmt::format("its child {} ({}) has ended", dead->pid, dead->comm)};
  if (fd.cloexec && std::all_of(others.begin(), others.end(), [&](const Holder& h) { return is_orphan(c, h); }))
    return Verdicted{Confidence::likely, "the child that it was started by has ended"};
  return std::nullopt;
}

// A program may send itself a byte from a signal handler, through a pipe of which it then has both ends on purpose.
bool may_write_in_handler(const Case& c, const std::vector<Holder>& writers) {
  constexpr std::uint64_t kSigint = 1U << 1, kThreads = 3ULL << 31;  // SIGINT; 32 and 33 are glibc's own
  const auto caught = c.process.facts().kernel.process.sig_cgt;
  return !caught || (*caught & ~(kSigint | kThreads)) != 0 ||
         std::any_of(writers.begin(), writers.end(),
                     [&](const Holder& holder) { return holder.fd == c.process.python().signals.wakeup_fd; });
}

std::string holder_words(const Case& c, const std::vector<Holder>& holders) {
  std::vector<std::string> words;
  for (const auto& holder : holders) {
    if (words.size() == 3) break;
    const auto* actor = c.chain.process(holder.pid);
    words.push_back(fmt::format("{} (fd {}), which {}", c.chain.process_label(holder.pid), holder.fd,
                                actor == nullptr ? "was not looked at" : c.chain.doing(*actor)));
  }
  return fmt::format("{}{}", fmt::join(words, "; "),
                     holders.size() > 3 ? fmt::format(" and {} more", holders.size() - 3) : "");
}

Finding found(const Case& c, const Reader& reader, const FdFacts& fd, const Verdicted& verdict,
              const std::vector<Holder>& others, const std::vector<Holder>& ours) {
  auto finding = make_finding("B2", "pipe-held-open-by-third-party", verdict.confidence);
  const std::string label = capital(c.process.thread_label(reader.tid));
  const char* what = fd.pipe ? "pipe" : "socket";
  finding.summary =
      others.empty()
          ? fmt::format(
                "{} waits for data or the end of the {} of fd {}, which is empty, and only this process itself has "
                "the writing end open (fd {}): neither will come.",
                label, what, fd.fd, ours.front().fd)
          : fmt::format(
                "{} waits for the end of the {} of fd {}, which is empty: {}, but the writing end is still held by "
                "{}.",
                label, what, fd.fd, verdict.why, holder_words(c, others));
  finding.path.push_back(
      {node_label(c.process, reader.tid), fmt::format("waits for data or the end of fd {}", fd.fd), {fd.target}, true});
  for (const auto& holder : others.empty() ? ours : others)
    finding.path.push_back({fmt::format("fd {}", fd.fd),
                            fmt::format("writing end held by {}", c.chain.process_label(holder.pid)),
                            {fmt::format("its fd {}", holder.fd)},
                            true});
  auto blame = c.process.blame(reader.tid);
  blame.fd = fd.fd;
  if (const auto* loop = c.process.loop_of(reader.tid); loop != nullptr && blame.frame.empty())
    blame.frame = loop->run_function;
  finding.blame.push_back(std::move(blame));
  for (const auto& holder : others) {
    if (finding.blame.size() > 3) break;
    finding.blame.push_back({c.chain.process_label(holder.pid), holder.pid, std::nullopt, "", holder.fd});
  }
  finding.advice =
      others.empty() ? "Close the writing end in this process once the child has its copy."
                     : "End that process, or start it with its output redirected; start children in a session of their "
                       "own and end the group; bound the wait with a timeout.";
  cite_wait(finding, c.process, reader.tid);
  if (fd.pipe) cite_kernel(finding, fmt::format("fd {} unread", fd.fd), "0", facts::Source::procfs);
  return finding;
}

}  // namespace

std::optional<Finding> pipe_held_open(const Case& c) {
  if (!c.graph.main_gets_gil() || c.process.main_exits()) return std::nullopt;
  const auto reader = find_reader(c);
  if (!reader) return std::nullopt;
  const auto own = c.process.facts().target.pid;
  for (const int number : reader->fds) {
    const auto* fd = c.process.facts().fd(number);
    const auto* writers = fd == nullptr ? nullptr : writers_of(*fd);
    if (writers == nullptr || writers->empty()) continue;
    std::vector<Holder> ours, others;
    for (const auto& holder : *writers) (holder.pid == own ? ours : others).push_back(holder);
    if (!others.empty()) {
      if (const auto verdict = third_party(c, *reader, *fd, others))
        return found(c, *reader, *fd, *verdict, others, ours);
      continue;
    }
    const auto* main = kept_main(c, Ability::none);
    if (main == nullptr || reader->fds.size() > 1 || may_write_in_handler(c, *writers)) continue;
    return found(c, *reader, *fd, {confidence_of_sleep(c.process, reader->tid), ""}, others, ours);
  }
  return std::nullopt;
}

}  // namespace hang::verdict
