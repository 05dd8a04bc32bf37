#include "kernel/inet_sockets.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <tuple>
#include <unistd.h>
#include <vector>

namespace hang::kernel {
namespace {

using facts::FdType;
using facts::InetSocketFacts;
using facts::Snapshot;

constexpr std::size_t kMostSockets = std::size_t{1} << 17;

// An address as 16 bytes, IPv4 mapped into IPv6, so that a dual-stack listener's socket matches its IPv4 client.
struct Endpoint {
  std::array<std::uint8_t, 16> address{};
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

// 0.0.0.0 in that form; ::, for both families, is all zeros.
constexpr std::array<std::uint8_t, 16> kAnyMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};

struct Row {
  Endpoint local, remote;
  bool udp = false;
  unsigned state = 0;
  std::uint64_t rqueue = 0, wqueue = 0, inode = 0;
};

// "0100007F:1F90" or 32 digits: the address as 32-bit words in host order, each holding network-order bytes.
std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  Endpoint endpoint;
  std::size_t place = 0;
  if (colon == 8) {
    endpoint.address[10] = endpoint.address[11] = 0xff;
    place = 12;
  }
  for (std::size_t i = 0; i < colon; i += 8, place += 4) {
    const auto word = parse_number<std::uint32_t>(text.substr(i, 8), 16);
    if (!word) return std::nullopt;
    std::memcpy(endpoint.address.data() + place, &*word, sizeof *word);
  }
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1), 16);
  if (!port) return std::nullopt;
  endpoint.port = *port;
  return endpoint;
}

// "sl: local remote st tx_queue:rx_queue tr:when retrnsmt uid timeout inode ..." (net/ipv4/tcp_ipv4.c)
std::optional<Row> parse_row(std::string_view line) {
  Words words(line);
  words.next();
  const auto local = parse_endpoint(words.next()), remote = parse_endpoint(words.next());
  const auto state = words.number<unsigned>(16);
  const std::string_view queues = words.next();
  const std::size_t colon = queues.find(':');
  for (int skipped = 0; skipped < 4; ++skipped) words.next();
  const auto inode = words.number<std::uint64_t>();
  if (!local || !remote || !state || colon == queues.npos || !inode) return std::nullopt;
  Row row{*local, *remote, false, *state, 0, 0, *inode};
  row.wqueue = parse_number<std::uint64_t>(queues.substr(0, colon), 16).value_or(0);
  row.rqueue = parse_number<std::uint64_t>(queues.substr(colon + 1), 16).value_or(0);
  return row;
}

// Reads one table to its end, a page at a time. False if there are more sockets than any reader should keep.
Result<bool> read_table(const ProcDir& process, const char* protocol, std::vector<Row>& rows) {
  const std::string name = fmt::format("net/{}", protocol);
  const UniqueFd file(openat(process.fd(), name.c_str(), O_RDONLY | O_CLOEXEC));
  // A kernel without IPv6 has no tcp6, and no socket in it either.
  if (!file && errno == ENOENT) return true;
  if (!file) return errno_error(errno, fmt::format("open {}/{}", process.path(), name));
  std::string buffer(std::size_t{64} << 10, '\0');
  std::size_t kept = 0;
  while (true) {
    const ssize_t got = read(file.get(), buffer.data() + kept, buffer.size() - kept);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(errno, fmt::format("read {}/{}", process.path(), name));
    const std::string_view text(buffer.data(), kept + static_cast<std::size_t>(got));
    const std::size_t whole = got == 0 ? text.size() : text.rfind('\n') + 1;
    Lines lines(text.substr(0, whole));
    std::string_view line;
    while (lines.next(line)) {
      auto row = parse_row(line);
      if (!row) continue;  // the heading
      if (rows.size() >= kMostSockets) return false;
      row->udp = std::string_view(protocol).starts_with("udp");
      rows.push_back(*row);
    }
    if (got == 0) return true;
    kept = text.size() - whole;
    std::memmove(buffer.data(), buffer.data() + whole, kept);
    if (kept == buffer.size()) return Error{ErrorKind::inconsistent, fmt::format("{}: a line without end", name)};
  }
}

std::string text_of(const Endpoint& endpoint, bool v6) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(v6 ? AF_INET6 : AF_INET, endpoint.address.data() + (v6 ? 0 : 12), text, sizeof text);
  return fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), static_cast<const char*>(text), endpoint.port);
}

// include/net/tcp_states.h, in ss' words; UDP uses 1 (connected) and 7 only.
const char* state_name(unsigned state) {
  constexpr const char* kNames[] = {"",          "ESTABLISHED", "SYN-SENT",   "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2",
                                    "TIME-WAIT", "UNCONN",      "CLOSE-WAIT", "LAST-ACK", "LISTEN",     "CLOSING"};
  return state < std::size(kNames) ? kNames[state] : "";
}

// The tables that hold the sockets and their local peers: an IPv4 client's peer may be a dual-stack (tcp6) socket.
std::vector<Row> read_tables(const ProcDir& process, Snapshot& snapshot) {
  bool tcp = false, udp = false;
  for (const auto& fd : snapshot.kernel.fds) {
    if (!fd.inet) continue;
    tcp |= fd.inet->protocol.starts_with("tcp");
    udp |= fd.inet->protocol.starts_with("udp");
  }
  std::vector<Row> rows;
  for (const char* protocol : {"tcp", "tcp6", "udp", "udp6"}) {
    if (std::string_view(protocol).starts_with("tcp") ? !tcp : !udp) continue;
    const auto all = read_table(process, protocol, rows);
    if (all && *all) continue;
    const std::string why = all ? fmt::format("more than {} sockets", kMostSockets) : all.error().message;
    snapshot.gaps.push_back({fmt::format("{} sockets", protocol), why, {"B3"}});
  }
  return rows;
}

auto key(const Row& row) {
  return std::tie(row.udp, row.local, row.remote);
}

// A connection without an inode that is established was not accepted yet: the listener is who can act.
const Row* listener_of(const Row& pending, const std::vector<const Row*>& rows) {
  constexpr unsigned kListen = 10;
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Row* row) {
    const bool any =
        std::all_of(row->local.address.begin(), row->local.address.end(), [](auto byte) { return !byte; }) ||
        row->local == Endpoint{kAnyMapped, row->local.port};
    return !row->udp && row->state == kListen && row->inode != 0 && row->local.port == pending.local.port &&
           (any || row->local.address == pending.local.address);
  });
  return found == rows.end() ? nullptr : *found;
}

// The other end of a connection, if it is a socket of this network namespace.
void peers_of(const Row& row, const std::vector<const Row*>& by_ends, facts::FdFacts& fd, LocalPeers& peers) {
  constexpr unsigned kEstablished = 1;
  const Row mirror{row.remote, row.local, row.udp, 0, 0, 0, 0};
  const auto found = std::lower_bound(by_ends.begin(), by_ends.end(), &mirror,
                                      [](const Row* a, const Row* b) { return key(*a) < key(*b); });
  if (found == by_ends.end() || key(**found) != key(mirror) || *found == &row) return;
  const Row* peer = *found;
  if (peer->inode == 0) {
    peer = peer->state == kEstablished ? listener_of(*peer, by_ends) : nullptr;
    if (peer == nullptr) return;  // closed by its process, and not yet out of the kernel's mind
    fd.inet->unaccepted = true;
  }
  fd.inet->peer_local = true;
  peers[fd.fd] = peer->inode;
}

}  // namespace

LocalPeers read_inet_fds(const ProcDir& process, Snapshot& snapshot) {
  LocalPeers peers;
  const std::vector<Row> rows = read_tables(process, snapshot);
  std::unordered_map<std::uint64_t, const Row*> by_inode;
  for (const Row& row : rows)
    if (row.inode != 0) by_inode.emplace(row.inode, &row);
  std::vector<const Row*> by_ends;
  for (const Row& row : rows) by_ends.push_back(&row);
  std::sort(by_ends.begin(), by_ends.end(), [](const Row* a, const Row* b) { return key(*a) < key(*b); });
  for (auto& fd : snapshot.kernel.fds) {
    const auto found = fd.inet ? by_inode.find(fd.inode) : by_inode.end();
    if (found == by_inode.end()) continue;
    const Row& row = *found->second;
    const bool v6 = fd.inet->protocol.ends_with('6');
    fd.inet->local = text_of(row.local, v6);
    fd.inet->remote = text_of(row.remote, v6);
    fd.inet->state = state_name(row.state);
    fd.inet->rqueue = row.rqueue;
    fd.inet->wqueue = row.wqueue;
    if (row.remote.port == 0) continue;
    peers_of(row, by_ends, fd, peers);
  }
  return peers;
}

const char* inet_protocol(std::string_view name) {
  constexpr std::pair<std::string_view, const char*> kNames[] = {
      {"TCP", "tcp"}, {"TCPv6", "tcp6"}, {"MPTCP", "tcp"},    {"MPTCPv6", "tcp6"},
      {"UDP", "udp"}, {"UDPv6", "udp6"}, {"UDP-Lite", "udp"}, {"UDPLITEv6", "udp6"},
      {"RAW", "raw"}, {"RAWv6", "raw6"}, {"PING", "raw"},     {"PINGv6", "raw6"}};
  for (const auto& [kernel_name, ours] : kNames) {
    if (kernel_name == name) return ours;
  }
  return "";
}

}  // namespace hang::kernel
