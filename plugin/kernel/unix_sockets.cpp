#include "kernel/unix_sockets.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kernel/sock_diag.h"

namespace hang::kernel {
namespace {

using facts::FdFacts;
using facts::FdType;
using facts::Snapshot;
using facts::Source;
using facts::UnixSocketFacts;

std::optional<std::uint64_t> queue_length(int fd, unsigned long question) {
  int bytes = 0;
  if (ioctl(fd, question, &bytes) != 0 || bytes < 0) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

std::optional<int> option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0 || size != sizeof value) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> size_option(int fd, int name) {
  const auto value = option(fd, name);
  return value && *value >= 0 ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

// The same facts as sock_diag's, but for the peer's inode, which no system call tells.
UnixSocketFacts ask_borrowed(int fd) {
  UnixSocketFacts socket;
  const auto type = option(fd, SO_TYPE);
  if (type == SOCK_STREAM) socket.type = "stream";
  if (type == SOCK_DGRAM) socket.type = "dgram";
  if (type == SOCK_SEQPACKET) socket.type = "seqpacket";
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const bool connected = getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
  socket.state = option(fd, SO_ACCEPTCONN) == 1 ? "listen" : connected ? "established" : "unconnected";
  socket.rqueue = queue_length(fd, SIOCINQ);
  socket.wmem_alloc = socket.wqueue = queue_length(fd, SIOCOUTQ);
  socket.sndbuf = size_option(fd, SO_SNDBUF);
  socket.rcvbuf = size_option(fd, SO_RCVBUF);
  pollfd events{fd, POLLRDHUP, 0};
  if (connected && poll(&events, 1, 0) >= 0) {
    // unix_poll(): RDHUP for RCV_SHUTDOWN, HUP for both directions.
    socket.shutdown = (events.revents & POLLHUP) != 0 ? 3U : (events.revents & POLLRDHUP) != 0 ? 1U : 0U;
  }
  return socket;
}

void add_reading(Snapshot& snapshot, int fd, const char* key, const char* field, std::optional<std::uint64_t> value,
                 Source source) {
  if (!value) return;
  snapshot.readings.push_back({fmt::format("fd.{}.{}", fd, key), field, "", fmt::format("{}", *value), source});
}

void add_readings(Snapshot& snapshot, const FdFacts& fd, Source source) {
  const UnixSocketFacts& socket = *fd.unix_socket;
  add_reading(snapshot, fd.fd, "rqueue", "UNIX_DIAG_RQLEN.udiag_rqueue", socket.rqueue, source);
  add_reading(snapshot, fd.fd, "wmem_alloc", "UNIX_DIAG_MEMINFO[SK_MEMINFO_WMEM_ALLOC]", socket.wmem_alloc, source);
  add_reading(snapshot, fd.fd, "sndbuf", "UNIX_DIAG_MEMINFO[SK_MEMINFO_SNDBUF]", socket.sndbuf, source);
  add_reading(snapshot, fd.fd, "peer", "UNIX_DIAG_PEER", socket.peer_inode, source);
}

Result<void> read_borrowed(const Borrower& borrower, FdFacts& fd) {
  const auto copy = borrower.borrow(fd.fd, fd.inode);
  if (!copy) return copy.error();
  fd.unix_socket = ask_borrowed(copy->get());
  fd.unix_socket->inode = fd.inode;
  return {};
}

}  // namespace

void read_unix_fds(const ProcDir& process, const Borrower& borrower, Snapshot& snapshot) {
  auto& fds = snapshot.kernel.fds;
  UnixSockets sockets;
  for (const auto& fd : fds) {
    if (fd.type == FdType::unix_socket) sockets.try_emplace(fd.inode);
  }
  if (sockets.empty()) return;
  const auto done = read_unix_sockets(process, sockets);
  bool peers_unknown = false, unread = false;
  for (auto& fd : fds) {
    if (fd.type != FdType::unix_socket) continue;
    // A socket that sock_diag does not know was made in another network namespace and passed on, or is gone.
    if (UnixSocketFacts& socket = sockets[fd.inode]; !socket.state.empty()) {
      socket.inode = fd.inode;
      fd.unix_socket = socket;
      add_readings(snapshot, fd, Source::sock_diag);
    } else if (const auto borrowed = read_borrowed(borrower, fd)) {
      peers_unknown = true;
      add_readings(snapshot, fd, Source::procfs);
    } else {
      // Any other refusal means that the target has closed it since: no fact is missing then.
      unread |= borrowed.error().kind == ErrorKind::no_permission;
    }
  }
  const std::string why = done ? "made in another network namespace" : done.error().message;
  if (peers_unknown) snapshot.gaps.push_back({"peers of unix sockets", why, {"L1", "S4"}});
  if (unread) snapshot.gaps.push_back({"queues and peers of unix sockets", why, {"S1", "L1", "S4"}});
}

}  // namespace hang::kernel
