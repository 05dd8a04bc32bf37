// B3 silent-peer-no-timeout: a blocking read from a connection that is up, with nothing in it, no timeout, and a peer
// that does not act.
#include <algorithm>
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::FdFacts;
using facts::WaitKind;

struct Silence {
  std::string words;
  Confidence confidence = Confidence::likely;
};

// A server that waits for its client's next request is idle; it has the listening socket of that very port.
bool is_server_side(const Case& c, const FdFacts& fd) {
  const auto port = fd.inet->local.substr(fd.inet->local.rfind(':') + 1);
  const auto& fds = c.process.facts().kernel.fds;
  return std::any_of(fds.begin(), fds.end(), [&](const FdFacts& other) {
    return other.inet && other.inet->state == "LISTEN" &&
           other.inet->local.substr(other.inet->local.rfind(':') + 1) == port;
  });
}

// The peer is elsewhere: all that is known is how long the connection has been silent. Nothing came since something
// was sent: an answer is due.
std::optional<Silence> of_remote(const FdFacts& fd) {
  constexpr std::uint64_t kLongMs = 60'000;
  const auto received = fd.inet->last_data_recv_ms, sent = fd.inet->last_data_sent_ms;
  if (!received || !sent || *received < kLongMs || *sent >= *received) return std::nullopt;
  return Silence{
      fmt::format("the last data came {} ago, before the last was sent", duration(static_cast<double>(*received))),
      fd.inet->retransmits.value_or(0) > 0 ? Confidence::likely : Confidence::possible};
}

std::optional<Silence> of_local(const Case& c, const Actor& reader, const FdFacts& fd) {
  if (reader.links.empty() || reader.ability > Ability::unclear) return std::nullopt;
  const auto& link = c.chain.link(reader.links.front());
  const auto& peer = c.chain.target(link);
  if (!c.chain.rests(peer.pid)) return std::nullopt;
  const bool ours = peer.pid == reader.pid;
  const auto what = fd.inet && fd.inet->unaccepted ? "has the listening socket and has not accepted the connection"
                    : ours                         ? "itself has the other end, and nobody uses it"
                                                   : "has the other end and is silent";
  const auto doing = ours ? std::string() : fmt::format("; it {}", c.chain.doing(peer));
  return Silence{fmt::format("{} {}{}", c.chain.process_label(peer.pid), what, doing)};
}

std::optional<Silence> silence_of(const Case& c, const Actor& reader, const FdFacts& fd) {
  if (fd.unix_socket) {
    const bool up = fd.unix_socket->state == "established" && fd.unix_socket->rqueue == 0U;
    return up ? of_local(c, reader, fd) : std::nullopt;
  }
  const bool up = fd.inet && fd.inet->state == "ESTABLISHED" && fd.inet->rqueue == 0;
  if (!up || is_server_side(c, fd)) return std::nullopt;
  return fd.inet->peer_local ? of_local(c, reader, fd) : of_remote(fd);
}

std::string connection_words(const FdFacts& fd) {
  return fd.inet ? fmt::format("{} {} to {}", fd.inet->protocol, fd.inet->local, fd.inet->remote) : "a unix socket";
}

}  // namespace

std::optional<Finding> silent_peer_no_timeout(const Case& c) {
  if (!c.graph.main_gets_gil() || c.process.main_exits()) return std::nullopt;
  const auto tid = end_of_joins(c.process, c.process.main_tid());
  const auto* thread = c.process.thread(tid);
  const auto* state = c.process.current_state(tid);
  const auto* actor = c.chain.thread(c.process.facts().target.pid, tid);
  if (thread == nullptr || state == nullptr || actor == nullptr || c.process.loop_of(c.process.main_tid()) != nullptr)
    return std::nullopt;
  // With a timeout CPython polls first (sock_call_impl, Modules/socketmodule.c): a plain recv has none.
  if (thread->wait.kind != WaitKind::read && thread->wait.kind != WaitKind::recv) return std::nullopt;
  const auto* fd = c.process.facts().fd(thread->wait.fd.value_or(-1));
  const auto silence = fd == nullptr ? std::nullopt : silence_of(c, *actor, *fd);
  if (!silence) return std::nullopt;
  auto finding = make_finding("B3", "silent-peer-no-timeout", silence->confidence);
  finding.summary = fmt::format("{} reads from fd {} ({}) without a timeout, and nothing comes: {}.",
                                capital(c.process.thread_label(tid)), fd->fd, connection_words(*fd), silence->words);
  finding.path = c.chain.path(c.chain.walk(actor->pid, tid));
  auto blame = c.process.blame(tid);
  blame.fd = fd->fd;
  finding.blame.push_back(std::move(blame));
  finding.advice =
      "Set a timeout (settimeout, timeout=...), and keepalive for long silences; then ask why the peer is silent.";
  cite_wait(finding, c.process, tid);
  if (fd->inet) cite_kernel(finding, fmt::format("fd {} state", fd->fd), fd->inet->state, facts::Source::procfs);
  cite_kernel(finding, fmt::format("fd {} unread", fd->fd), "0", facts::Source::procfs);
  return finding;
}

}  // namespace hang::verdict
