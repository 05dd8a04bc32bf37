#include "kernel/sock_diag.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <span>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>
#include <thread>
#include <vector>

namespace hang::kernel {
namespace {

using facts::UnixSocketFacts;

constexpr std::uint32_t kAllStates = ~0U;

// A netlink socket belongs for life to the network namespace of the thread that made it.
UniqueFd open_netlink(int& error) {
  UniqueFd socket_fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!socket_fd) {
    error = errno;
    return socket_fd;
  }
  // The kernel answers at once; a tool that names hangs must not have one.
  const timeval patience{2, 0};
  setsockopt(socket_fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return socket_fd;
}

// setns() for a network namespace moves the calling thread only, so a thread of our own that ends right after is
// enough; a child process would be a burden inside a debugger.
UniqueFd open_netlink_inside(int network, int& error) {
  UniqueFd socket_fd;
  try {
    std::thread([&] {
      if (setns(network, CLONE_NEWNET) == 0) {
        socket_fd = open_netlink(error);
      } else {
        error = errno;
      }
    }).join();
  } catch (const std::system_error&) {
    error = EAGAIN;
  }
  return socket_fd;
}

Result<UniqueFd> connect_to(const ProcDir& process) {
  const auto same = same_network(process);
  if (!same) return same.error();
  int error = 0;
  UniqueFd socket_fd;
  if (*same) {
    socket_fd = open_netlink(error);
  } else {
    const UniqueFd network(openat(process.fd(), "ns/net", O_RDONLY | O_CLOEXEC));
    if (!network) return errno_error(errno, "open the process' network namespace");
    socket_fd = open_netlink_inside(network.get(), error);
  }
  if (!socket_fd) return errno_error(error, *same ? "open sock_diag" : "enter the process' network namespace");
  return socket_fd;
}

const char* type_name(std::uint8_t type) {
  switch (type) {
    case SOCK_STREAM: return "stream";
    case SOCK_DGRAM: return "dgram";
    case SOCK_SEQPACKET: return "seqpacket";
    default: return "";
  }
}

// Unix sockets use TCP's state numbers (net/unix/af_unix.c).
const char* state_name(std::uint8_t state) {
  switch (state) {
    case TCP_ESTABLISHED: return "established";
    case TCP_SYN_SENT: return "connecting";
    case TCP_CLOSE: return "unconnected";
    case TCP_LISTEN: return "listen";
    default: return "unknown";
  }
}

template <typename T>
std::optional<T> payload(std::span<const char> data) {
  T value{};
  if (data.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, data.data(), sizeof value);
  return value;
}

// A name that begins with NUL is in the abstract namespace; ss and netstat show that as '@'.
std::string name_of(std::span<const char> data) {
  std::string name(data.begin(), data.end());
  if (!name.empty() && name.front() == '\0') {
    name.front() = '@';
  } else {
    name.resize(std::strlen(name.c_str()));
  }
  return name;
}

// Calls visit(type, payload) for the attributes after a unix_diag_msg.
template <typename Visit>
void for_each_attribute(std::span<const char> data, Visit visit) {
  while (data.size() >= sizeof(rtattr)) {
    rtattr header{};
    std::memcpy(&header, data.data(), sizeof header);
    if (header.rta_len < sizeof header || header.rta_len > data.size()) return;
    visit(header.rta_type, data.subspan(RTA_LENGTH(0), header.rta_len - RTA_LENGTH(0)));
    const std::size_t step = RTA_ALIGN(header.rta_len);
    if (step >= data.size()) return;
    data = data.subspan(step);
  }
}

void parse_attribute(int type, std::span<const char> data, UnixSocketFacts& socket) {
  switch (type) {
    case UNIX_DIAG_NAME: socket.path = name_of(data); break;
    case UNIX_DIAG_PEER: socket.peer_inode = payload<std::uint32_t>(data); break;
    case UNIX_DIAG_SHUTDOWN: socket.shutdown = payload<std::uint8_t>(data); break;
    case UNIX_DIAG_RQLEN:
      if (const auto queues = payload<unix_diag_rqlen>(data)) {
        socket.rqueue = queues->udiag_rqueue;
        socket.wqueue = queues->udiag_wqueue;
      }
      break;
    case UNIX_DIAG_MEMINFO:
      // SK_MEMINFO_RMEM_ALLOC, _RCVBUF, _WMEM_ALLOC, _SNDBUF (linux/sock_diag.h)
      if (const auto memory = payload<std::array<std::uint32_t, 4>>(data)) {
        socket.rcvbuf = (*memory)[SK_MEMINFO_RCVBUF];
        socket.wmem_alloc = (*memory)[SK_MEMINFO_WMEM_ALLOC];
        socket.sndbuf = (*memory)[SK_MEMINFO_SNDBUF];
      }
      break;
    default: break;
  }
}

// Sends one dump request and calls visit(unix_diag_msg, attributes) for every socket.
template <typename Visit>
Result<void> dump(int netlink, std::uint32_t states, std::uint32_t show, Visit visit) {
  struct {
    nlmsghdr header;
    unix_diag_req request;
  } message{};
  message.header.nlmsg_len = sizeof message;
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request.sdiag_family = AF_UNIX;
  message.request.udiag_states = states;
  message.request.udiag_show = show;
  if (send(netlink, &message, sizeof message, 0) < 0) return errno_error(errno, "ask sock_diag");

  std::vector<char> buffer(std::size_t{32} << 10);
  while (true) {
    const ssize_t got = recv(netlink, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return errno_error(got < 0 ? errno : EIO, "read sock_diag's answer");
    std::span<const char> rest(buffer.data(), static_cast<std::size_t>(got));
    while (const auto header = payload<nlmsghdr>(rest)) {
      if (header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > rest.size()) break;
      const auto body = rest.subspan(NLMSG_HDRLEN, header->nlmsg_len - NLMSG_HDRLEN);
      if (header->nlmsg_type == NLMSG_DONE) return {};
      if (header->nlmsg_type == NLMSG_ERROR) {
        const auto error = payload<nlmsgerr>(body);
        return Error{ErrorKind::io, fmt::format("sock_diag: {}", std::strerror(error ? -error->error : EIO))};
      }
      if (const auto socket = payload<unix_diag_msg>(body)) visit(*socket, body.subspan(NLMSG_ALIGN(sizeof *socket)));
      rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(header->nlmsg_len), rest.size()));
    }
  }
}

// A client that was not accepted yet has a peer without an inode, like one whose peer was closed; but a close shuts
// both directions down (unix_release_sock, net/unix/af_unix.c) and the listener still lists it.
bool may_await_accept(const UnixSocketFacts& socket) {
  return socket.peer_inode == 0U && socket.type != "dgram" && socket.shutdown != 3U;
}

// Gives the clients in a listener's queue that listener as their peer: whoever holds it is who can act.
Result<void> find_listeners(int netlink, UnixSockets& sockets) {
  for (auto& [inode, socket] : sockets) {
    if (may_await_accept(socket)) socket.peer_inode.reset();
  }
  return dump(netlink, 1U << TCP_LISTEN, UDIAG_SHOW_ICONS, [&](const unix_diag_msg& listener, auto attributes) {
    for_each_attribute(attributes, [&](int type, std::span<const char> data) {
      if (type != UNIX_DIAG_ICONS) return;
      for (; data.size() >= sizeof(std::uint32_t); data = data.subspan(sizeof(std::uint32_t))) {
        const auto client = sockets.find(*payload<std::uint32_t>(data));
        if (client != sockets.end()) client->second.peer_inode = listener.udiag_ino;
      }
    });
  });
}

}  // namespace

Result<bool> same_network(const ProcDir& process) {
  std::string scratch;
  const auto theirs = process.link("ns/net", scratch);
  if (!theirs) return theirs.error();
  const std::string name(*theirs);
  const auto self = ProcDir::open_self_thread();
  if (!self) return self.error();
  const auto ours = self->link("ns/net", scratch);
  if (!ours) return ours.error();
  return *ours == name;
}

Result<void> read_unix_sockets(const ProcDir& process, UnixSockets& sockets) {
  const auto netlink = connect_to(process);
  if (!netlink) return netlink.error();
  const std::uint32_t show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_MEMINFO;
  bool pending = false;
  auto done = dump(netlink->get(), kAllStates, show, [&](const unix_diag_msg& message, auto attributes) {
    const auto found = sockets.find(message.udiag_ino);
    if (found == sockets.end()) return;
    UnixSocketFacts& socket = found->second;
    socket.type = type_name(message.udiag_type);
    socket.state = state_name(message.udiag_state);
    for_each_attribute(attributes, [&](int type, std::span<const char> data) { parse_attribute(type, data, socket); });
    pending |= may_await_accept(socket);
  });
  if (!done || !pending) return done;
  return find_listeners(netlink->get(), sockets);
}

}  // namespace hang::kernel
