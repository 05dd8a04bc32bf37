#include "verdict/other_end.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hang::verdict {

using facts::FdFacts;
using facts::FdType;
using facts::Holder;

namespace {

// Sorts holders into ours and others', and says which of the three cases it is.
OtherEnd from_holders(const Process& process, const std::vector<Holder>& holders, bool complete, std::string what,
                      int self = -1) {
  OtherEnd result;
  for (const auto& holder : holders) {
    if (holder.pid != process.facts().target.pid) {
      result.holders.push_back(holder);
    } else if (holder.fd != self) {
      result.our_fds.push_back(holder.fd);
    }
  }
  if (!result.holders.empty()) {
    result.end = End::other_process;
    const auto& first = result.holders.front();
    result.words = fmt::format("{}, the other end is held by process {} ({})", what, first.pid, first.comm);
  } else if (!complete) {
    result.words = fmt::format("{}, not every process' descriptors could be read", what);
  } else if (!result.our_fds.empty()) {
    result.end = End::this_process;
    result.words =
        fmt::format("{}, the other end is fd {} of this same process", what, fmt::join(result.our_fds, ", "));
  } else {
    result.end = End::gone;
    result.words = fmt::format("{}, nobody holds the other end any more", what);
  }
  return result;
}

OtherEnd of_unix(const Process& process, const FdFacts& fd) {
  const auto& socket = *fd.unix_socket;
  if (socket.state == "listen") return {End::listening, {}, {}, fmt::format("listening unix socket {}", socket.path)};
  if (!socket.peer_inode && socket.type == "dgram" && !socket.path.empty())
    return {End::outside, {}, {}, fmt::format("unix datagram socket bound to {}", socket.path)};
  if (!socket.peer_inode) return {End::unknown, {}, {}, fmt::format("unix socket, {}", socket.state)};
  if (*socket.peer_inode == 0) return {End::gone, {}, {}, "unix socket without a peer"};
  return from_holders(process, socket.peer_holders, socket.holders_complete, "unix socket");
}

OtherEnd of_inet(const Process& process, const FdFacts& fd) {
  const auto& socket = *fd.inet;
  if (socket.state == "LISTEN")
    return {End::listening, {}, {}, fmt::format("{} listening on {}", socket.protocol, socket.local)};
  if (socket.peer_local && !socket.peer_holders.empty())
    return from_holders(process, socket.peer_holders, true, fmt::format("{} to {}", socket.protocol, socket.remote));
  return {End::outside, {}, {}, fmt::format("{} {} to {}", socket.protocol, socket.local, socket.remote)};
}

OtherEnd of_pipe(const Process& process, const FdFacts& fd, bool for_reading) {
  const auto& pipe = *fd.pipe;
  return from_holders(process, for_reading ? pipe.writers : pipe.readers, pipe.holders_complete, "pipe", fd.fd);
}

}  // namespace

OtherEnd other_end(const Process& process, int number, bool for_reading) {
  const auto* fd = process.facts().fd(number);
  if (fd == nullptr || !process.facts().kernel.fds_known) return {End::unknown, {}, {}, "not known"};
  switch (fd->type) {
    case FdType::unix_socket: return fd->unix_socket ? of_unix(process, *fd) : OtherEnd{};
    case FdType::inet_socket:
      return fd->inet ? of_inet(process, *fd) : OtherEnd{End::outside, {}, {}, "network socket"};
    case FdType::netlink_socket:
    case FdType::other_socket: return {End::outside, {}, {}, fd->target};
    case FdType::pipe:
    case FdType::fifo: return fd->pipe ? of_pipe(process, *fd, for_reading) : OtherEnd{};
    case FdType::tty: return {End::human, {}, {}, fmt::format("terminal {}", fd->target)};
    case FdType::timerfd:
      if (fd->timer_ms) return {End::timer, {}, {}, fmt::format("timer in {}", duration(double(*fd->timer_ms)))};
      return {End::never, {}, {}, "timerfd, not armed"};
    case FdType::signalfd: return {End::signal, {}, {}, "signalfd"};
    case FdType::pidfd:
      if (fd->pid && *fd->pid > 0) return {End::other_process, {}, {}, fmt::format("end of process {}", *fd->pid)};
      return {End::gone, {}, {}, "pidfd of a process that has ended"};
    case FdType::eventfd: return {End::never, {}, {}, "eventfd"};
    case FdType::inotify: return {End::outside, {}, {}, "inotify"};
    case FdType::regular:
    case FdType::directory:
    case FdType::block: return {End::ready, {}, {}, fd->target};
    case FdType::chr:  // /dev/null is always ready; other devices answer when they like
      return {fd->target == "/dev/null" ? End::ready : End::outside, {}, {}, fd->target};
    case FdType::epoll:
    case FdType::anon:
    case FdType::unknown: break;
  }
  return {End::unknown, {}, {}, fd->target};
}

}  // namespace hang::verdict
