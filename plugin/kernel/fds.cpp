// The fd table: what every number is, and for the objects that can wake somebody, who is at the other end.
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unordered_map>

#include "kernel/borrow.h"
#include "kernel/fdinfo.h"
#include "kernel/holders.h"
#include "kernel/inet_sockets.h"
#include "kernel/kernel.h"
#include "kernel/pipes.h"
#include "kernel/proc_file.h"
#include "kernel/unix_sockets.h"

namespace hang::kernel {
namespace {

using facts::FdFacts;
using facts::FdType;
using facts::Snapshot;

constexpr std::size_t kMostFds = 65536;
constexpr std::size_t kMostFdinfo = std::size_t{16} << 20;  // an epoll set with 200000 files
constexpr std::size_t kMostHolderEntries = std::size_t{1} << 18;
constexpr std::chrono::milliseconds kHolderPatience{200};

bool is_tty(dev_t device) {
  // Documentation/admin-guide/devices.txt: 4 tty, 5 /dev/tty and console, 136 to 143 pseudo-terminals. 5:2 is
  // /dev/ptmx, the side that a terminal emulator has.
  const unsigned number = major(device);
  return number == 4 || (number == 5 && minor(device) != 2) || (number >= 136 && number <= 143);
}

FdType type_of_file(const ProcDir& fds, const char* name, FdFacts& fd) {
  struct statx status {};
  // DONT_SYNC: the file may be on a server that does not answer, and its type is known without asking.
  const int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
  if (statx(fds.fd(), name, flags, STATX_TYPE | STATX_INO, &status) != 0) return FdType::unknown;
  fd.inode = status.stx_ino;
  switch (status.stx_mode & S_IFMT) {
    case S_IFREG: return FdType::regular;
    case S_IFDIR: return FdType::directory;
    case S_IFBLK: return FdType::block;
    case S_IFIFO: return FdType::fifo;
    case S_IFCHR: return is_tty(makedev(status.stx_rdev_major, status.stx_rdev_minor)) ? FdType::tty : FdType::chr;
    default: return FdType::unknown;
  }
}

// sockfs tells the protocol as an extended attribute (sockfs_xattr_get, net/socket.c): no table has to be searched for
// families that are not there.
FdType type_of_socket(const ProcDir& fds, const char* name, FdFacts& fd) {
  char protocol[64];
  const std::string path = fmt::format("{}/{}", fds.path(), name);
  const ssize_t size = getxattr(path.c_str(), "system.sockprotoname", protocol, sizeof protocol);
  if (size <= 0) return FdType::other_socket;
  std::string_view text(protocol, static_cast<std::size_t>(size));
  text = text.substr(0, text.find('\0'));
  if (text.starts_with("UNIX")) return FdType::unix_socket;
  if (text == "NETLINK") return FdType::netlink_socket;
  const std::string_view inet = inet_protocol(text);
  if (inet.empty()) return FdType::other_socket;
  fd.inet.emplace().protocol = inet;
  return FdType::inet_socket;
}

void classify(const ProcDir& fds, const char* name, FdFacts& fd) {
  if (!apply_link(fd)) {
    fd.type = type_of_file(fds, name, fd);
  } else if (fd.type == FdType::other_socket) {
    fd.type = type_of_socket(fds, name, fd);
  }
}

Result<void> list_fds(const ProcDir& process, const ProcDir& fds, Snapshot& snapshot) {
  const auto infos = process.open("fdinfo");
  if (!infos) return infos.error();
  std::string scratch;
  NumberedEntries entries(fds);
  while (const auto number = entries.next()) {
    if (snapshot.kernel.fds.size() >= kMostFds) {
      snapshot.gaps.push_back({"open files", fmt::format("only the first {} were read", kMostFds), {"L1"}});
      return {};
    }
    // A file that was closed since it was listed is simply not there any more.
    const auto link = fds.link(entries.name(), scratch);
    if (!link) continue;
    FdFacts fd;
    fd.fd = static_cast<int>(*number);
    fd.target = *link;
    const auto info = infos->read(entries.name(), scratch, kMostFdinfo);
    if (!info) continue;
    classify(fds, entries.name(), fd);
    apply_fdinfo(parse_fdinfo(info->text), fd, snapshot);
    if (!info->complete) {
      snapshot.gaps.push_back({fmt::format("the files watched by epoll fd {}", fd.fd), "too many", {"L1"}});
    }
    snapshot.kernel.fds.push_back(std::move(fd));
  }
  if (entries.failed()) return Error{ErrorKind::no_such_process, fmt::format("{} ended", process.path())};
  return {};
}

using Pipes = std::unordered_map<std::uint64_t, PipeState>;  // by inode: both ends, and duplicates, are one pipe

Pipes read_pipes(const ProcDir& fds, const Borrower& borrower, Snapshot& snapshot) {
  Pipes pipes;
  std::string refused;
  for (auto& fd : snapshot.kernel.fds) {
    if (fd.type != FdType::pipe && fd.type != FdType::fifo) continue;
    fd.pipe.emplace().inode = fd.inode;
    if (pipes.count(fd.inode) != 0) continue;
    if (auto pipe = read_pipe(borrower, fds, fd)) {
      pipes.emplace(fd.inode, std::move(*pipe));
    } else if (pipe.error().kind == ErrorKind::no_permission) {
      refused = pipe.error().message;
    }
  }
  for (auto& fd : snapshot.kernel.fds) {
    if (!fd.pipe) continue;
    if (const auto found = pipes.find(fd.inode); found != pipes.end()) fd.pipe = found->second.facts;
  }
  if (!refused.empty()) snapshot.gaps.push_back({"unread bytes of pipes", refused, {"B1"}});
  return pipes;
}

// How long a TCP connection has been silent, which no table tells.
void read_silence(const Borrower& borrower, Snapshot& snapshot) {
  constexpr int kMost = 256;  // each costs three system calls
  int left = kMost;
  for (auto& fd : snapshot.kernel.fds) {
    if (!fd.inet || fd.inet->state != "ESTABLISHED" || !fd.inet->protocol.starts_with("tcp") || left-- <= 0) continue;
    const auto copy = borrower.borrow(fd.fd, fd.inode);
    if (!copy) continue;
    tcp_info info{};
    socklen_t size = sizeof info;
    if (getsockopt(copy->get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
        size > offsetof(tcp_info, tcpi_last_data_recv) + sizeof info.tcpi_last_data_recv) {
      fd.inet->last_data_recv_ms = info.tcpi_last_data_recv;
      fd.inet->last_data_sent_ms = info.tcpi_last_data_sent;
      fd.inet->retransmits = info.tcpi_retransmits;
    }
    int keepalive = 0;
    size = sizeof keepalive;
    if (getsockopt(copy->get(), SOL_SOCKET, SO_KEEPALIVE, &keepalive, &size) == 0) fd.inet->keepalive = keepalive != 0;
  }
}

std::string socket_link(std::uint64_t inode) {
  return fmt::format("socket:[{}]", inode);
}

// The other end of a socket or a pipe, as it is named in fd tables; "" if there is nobody to look for.
std::string other_end(const FdFacts& fd, const LocalPeers& peers) {
  if (fd.pipe) return fd.target;
  if (fd.unix_socket && fd.unix_socket->peer_inode.value_or(0) != 0) return socket_link(*fd.unix_socket->peer_inode);
  const auto peer = peers.find(fd.fd);
  return peer == peers.end() ? std::string() : socket_link(peer->second);
}

// True if every holder is known: all tables were read, or all but strangers' and this program opened the object
// itself, so that nobody had it from before.
bool all_known(const HolderSearch& search, const HolderSearch::Found& found) {
  if (found.truncated) return false;
  return search.complete() || (search.complete_but_strangers() && found.self_opened());
}

void assign_pipe(const HolderSearch& search, const Pipes& pipes, FdFacts& fd) {
  const auto& found = search.of(fd.target);
  for (const auto& holder : found.holders) {
    if (holder.readable) fd.pipe->readers.push_back(holder);
    if (holder.writable) fd.pipe->writers.push_back(holder);
  }
  // A FIFO may have other names in other mount namespaces.
  fd.pipe->holders_complete = fd.type == FdType::pipe && all_known(search, found);
  fd.pipe->strangers_unread = fd.type == FdType::pipe && !found.truncated && search.complete_but_strangers();
  if (fd.readable == fd.writable || !(fd.readable ? fd.pipe->writers : fd.pipe->readers).empty()) return;
  // Nobody was found at the other end: whether that is so, the kernel has the last word.
  const auto state = pipes.find(fd.inode);
  std::optional<bool> somebody;
  if (state != pipes.end()) somebody = fd.readable ? state->second.has_writers : state->second.has_readers;
  fd.pipe->holders_complete = somebody ? !*somebody : search.complete() && fd.type == FdType::pipe;
}

// Distributes what the search found; false if there was more than the facts should hold.
bool assign_holders(const HolderSearch& search, const LocalPeers& peers, const Pipes& pipes,
                    std::vector<FdFacts>& fds) {
  std::size_t left = kMostHolderEntries;
  for (auto& fd : fds) {
    const std::string link = other_end(fd, peers);
    if (link.empty()) continue;
    const auto& found = search.of(link);
    if (found.holders.size() > left) return false;
    left -= found.holders.size();
    if (fd.pipe) {
      assign_pipe(search, pipes, fd);
    } else if (fd.unix_socket) {
      fd.unix_socket->peer_holders = found.holders;
      // A peer that is open but in nobody's table is on its way in a message, or with somebody whom /proc hides.
      fd.unix_socket->holders_complete = !found.holders.empty() && all_known(search, found);
      fd.unix_socket->strangers_unread = !found.holders.empty() && !found.truncated && search.complete_but_strangers();
    } else if (fd.inet) {
      fd.inet->peer_holders = found.holders;
    }
  }
  return true;
}

void find_holders(const ProcDir& process, std::uint64_t pid, const LocalPeers& peers, const Pipes& pipes,
                  Snapshot& snapshot) {
  auto& fds = snapshot.kernel.fds;
  HolderSearch search;
  for (auto& fd : fds) {
    // Nobody holds the other end of a socket without a peer: that is known completely.
    if (fd.unix_socket && fd.unix_socket->peer_inode == 0U) fd.unix_socket->holders_complete = true;
    if (std::string link = other_end(fd, peers); !link.empty()) search.want(std::move(link));
  }
  if (search.empty()) return;
  std::string scratch;
  const auto comm = process.read("comm", scratch);
  search.add_own(pid, comm ? std::string(trim(comm->text)) : std::string(), fds);
  search.scan_others(process, pid, kHolderPatience);
  const bool all = assign_holders(search, peers, pipes, fds);
  if (search.complete() && all) return;
  const std::string why = search.complete() ? "too many holders" : search.why_incomplete();
  snapshot.gaps.push_back({"who else holds the other ends of pipes and sockets", why, {"L1", "B2"}});
}

}  // namespace

Result<void> read_fds(std::uint64_t pid, Snapshot& snapshot) {
  const auto process = ProcDir::open_process(pid);
  if (!process) return process.error();
  const auto fds = process->open("fd");
  if (!fds) return fds.error();
  if (const auto listed = list_fds(*process, *fds, snapshot); !listed) return listed.error();
  snapshot.kernel.fds_known = true;
  const Borrower borrower(pid);
  const Pipes pipes = read_pipes(*fds, borrower, snapshot);
  read_unix_fds(*process, borrower, snapshot);
  const LocalPeers peers = read_inet_fds(*process, snapshot);
  read_silence(borrower, snapshot);
  find_holders(*process, pid, peers, pipes, snapshot);
  return {};
}

}  // namespace hang::kernel
