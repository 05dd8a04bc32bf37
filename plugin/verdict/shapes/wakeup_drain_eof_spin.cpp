// L8 wakeup-drain-eof-spin: the writing end of a loop's wakeup pair was closed, so the reading end is at its end for
// ever, and the loop reads it again and again.
#include <algorithm>
#include <fmt/format.h>

#include "facts/names.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::LoopFacts;

// A pair that is whole has a peer; shutdown 3 says that neither direction is left (net/unix/af_unix.c, unix_release).
bool at_end(const facts::FdFacts& reader) {
  if (reader.unix_socket) return reader.unix_socket->peer_inode == 0U && reader.unix_socket->shutdown.value_or(3) == 3U;
  return reader.pipe && reader.pipe->holders_complete && reader.pipe->writers.empty();
}

// The reader of one of the loop's own pairs that is at its end; null if all are whole, or not known.
const facts::FdFacts* broken_reader(const Case& c, const LoopFacts& loop) {
  for (const int fd : loop.own_fds) {
    const auto* facts = c.process.facts().fd(fd);
    if (facts != nullptr && fd != loop.epfd && fd != loop.wakeup_writer && at_end(*facts)) return facts;
  }
  return nullptr;
}

bool is_plumbing(const facts::FrameFacts& frame) {
  if (frame.file.ends_with("trio/_core/_wakeup_socketpair.py")) return true;
  return (frame.file.ends_with("asyncio/selector_events.py") || frame.file.ends_with("asyncio/base_events.py") ||
          frame.file.ends_with("/selectors.py") || frame.file.ends_with("asyncio/events.py"));
}

bool in_set(const Case& c, const LoopFacts& loop, int fd) {
  const auto* set = loop.epfd ? c.process.facts().fd(*loop.epfd) : nullptr;
  return set != nullptr && std::any_of(set->epoll.begin(), set->epoll.end(),
                                       [&](const facts::EpollWatch& watched) { return watched.fd == fd; });
}

// It spends its time on that: trio never leaves drain(); asyncio turns without ever sleeping.
bool spins(const Case& c, const LoopFacts& loop, const facts::FdFacts& reader, Confidence& confidence) {
  const auto* state = c.process.facts().thread_state(loop.tstate);
  if (state == nullptr || state->frames.empty()) return false;
  const auto& leaf = state->frames.front();
  const auto* watch = c.process.facts().thread_watch(loop.tid);
  const double ms = c.process.facts().watch.ms;
  const bool watched = watch != nullptr && ms > 0;
  const bool busy = watched && is_busy(*watch, ms);
  confidence = busy ? Confidence::certain : Confidence::likely;
  if (leaf.file.ends_with("trio/_core/_wakeup_socketpair.py") && leaf.function.ends_with("drain"))
    return busy || !watched;
  // asyncio goes on with its tasks: only where nearly all of its time is its own. One sample shows no movement, but a
  // descriptor at its end in the set is proof that the set is never asleep.
  return loop.kind == facts::LoopKind::asyncio && is_plumbing(leaf) && (watched ? busy : in_set(c, loop, reader.fd));
}

}  // namespace

std::optional<Finding> wakeup_drain_eof_spin(const Case& c) {
  const auto& process = c.process;
  for (const auto& loop : process.python().loops) {
    const auto* reader = broken_reader(c, loop);
    Confidence confidence{};
    if (reader == nullptr || !spins(c, loop, *reader, confidence)) continue;
    const auto* state = process.facts().thread_state(loop.tstate);
    auto finding = make_finding("L8", "wakeup-drain-eof-spin", confidence);
    finding.summary = fmt::format(
        "The {} loop of {} spins: the other end of its own wakeup socket, fd {}, was closed, so that reading it never "
        "says \"empty\" again, and the loop reads it over and over (in {}).",
        name_of(loop.kind), process.thread_label(loop.tid), reader->fd, frame_label(state->frames.front()));
    finding.path = c.graph.path(loop.tid);
    finding.blame.push_back(process.blame(loop.tid));
    finding.blame.back().frame = frame_label(state->frames.front());
    finding.blame.back().fd = reader->fd;
    finding.advice =
        "Something closed a descriptor that it does not own: a forked child that closes all inherited ones, or a "
        "number that was closed twice. Find it with strace -e trace=close -k. Make the loop after the fork.";
    cite_kernel(finding, fmt::format("peer of fd {}", reader->fd), "0, nobody has the other end",
                facts::Source::sock_diag);
    if (reader->unix_socket && reader->unix_socket->shutdown)
      cite_kernel(finding, fmt::format("shutdown of fd {}", reader->fd), std::to_string(*reader->unix_socket->shutdown),
                  facts::Source::sock_diag);
    if (const auto* watch = process.facts().thread_watch(loop.tid); watch != nullptr && process.facts().watch.ms > 0)
      cite_kernel(finding, "CPU time during the watch",
                  fmt::format("{} of {}", duration(static_cast<double>(watch->cpu_ns) / 1e6),
                              duration(process.facts().watch.ms)),
                  facts::Source::procfs);
    return finding;
  }
  return std::nullopt;
}

}  // namespace hang::verdict
