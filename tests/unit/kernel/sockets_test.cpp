#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <tuple>

#include "own_process.h"

namespace hang::test {
namespace {

using facts::FdType;
using facts::Snapshot;
using facts::UnixSocketFacts;

MATCHER_P2(HeldBy, pid, fd, "") {
  return arg.pid == static_cast<std::uint64_t>(pid) && arg.fd == fd;
}

std::pair<UniqueFd, UniqueFd> make_socketpair(int type = SOCK_STREAM) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

UnixSocketFacts unix_fact(const Snapshot& snapshot, int fd) {
  const auto facts = fact(snapshot, fd);
  EXPECT_EQ(facts.type, FdType::unix_socket);
  EXPECT_TRUE(facts.unix_socket.has_value()) << "fd " << fd;
  return facts.unix_socket.value_or(UnixSocketFacts{});
}

// As trio makes its wakeup pair: room for as few bytes as the kernel grants. Returns how many those are.
std::uint64_t fill(int fd) {
  const int least = 1;
  EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least), 0);
  std::uint64_t sent = 0;
  while (send(fd, "x", 1, MSG_DONTWAIT) == 1) ++sent;
  EXPECT_EQ(errno, EAGAIN);
  return sent;
}

sockaddr_un abstract_address(const char* name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string full = std::string("hang_test_") + name + std::to_string(getpid());
  std::memcpy(address.sun_path + 1, full.c_str(), full.size());
  return address;
}

TEST(UnixSockets, FullWakeupPair) {
  auto [writer, reader] = make_socketpair();
  const std::uint64_t sent = fill(writer.get());
  EXPECT_EQ(sent, 6U);
  const Snapshot snapshot = fds_of(own_pid());
  const auto full = unix_fact(snapshot, writer.get()), unread = unix_fact(snapshot, reader.get());
  EXPECT_EQ(unread.rqueue, sent);
  EXPECT_GE(full.wmem_alloc.value_or(0), full.sndbuf.value_or(UINT64_MAX));
  EXPECT_EQ(full.peer_inode, inode_of(reader.get()));
  EXPECT_EQ(unread.peer_inode, inode_of(writer.get()));
  EXPECT_EQ(full.state, "established");
  EXPECT_EQ(full.type, "stream");
  EXPECT_EQ(full.shutdown, 0U);
  EXPECT_THAT(full.peer_holders, testing::ElementsAre(HeldBy(getpid(), reader.get())));
  const auto* reading = snapshot.reading("fd." + std::to_string(reader.get()) + ".rqueue");
  ASSERT_NE(reading, nullptr);
  EXPECT_EQ(reading->value, std::to_string(sent));
  EXPECT_EQ(reading->source, facts::Source::sock_diag);
}

TEST(UnixSockets, RoomLeft) {
  auto [writer, reader] = make_socketpair();
  ASSERT_EQ(send(writer.get(), "abc", 3, 0), 3);
  const Snapshot snapshot = fds_of(own_pid());
  EXPECT_EQ(unix_fact(snapshot, reader.get()).rqueue, 3U);
  EXPECT_LT(unix_fact(snapshot, writer.get()).wmem_alloc.value_or(UINT64_MAX),
            unix_fact(snapshot, writer.get()).sndbuf.value_or(0));
}

TEST(UnixSockets, PeerClosed) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    auto [mine, other] = make_socketpair(type);
    other = UniqueFd();
    const auto facts = unix_fact(fds_of(own_pid()), mine.get());
    EXPECT_EQ(facts.peer_inode, 0U) << facts.type;
    EXPECT_TRUE(facts.peer_holders.empty());
    EXPECT_TRUE(facts.holders_complete);
    EXPECT_EQ(facts.shutdown, type == SOCK_DGRAM ? 0U : 3U) << facts.type;
  }
}

TEST(UnixSockets, HalfClosedPeerIsStillThere) {
  auto [mine, other] = make_socketpair();
  ASSERT_EQ(shutdown(other.get(), SHUT_WR), 0);
  const auto facts = unix_fact(fds_of(own_pid()), mine.get());
  EXPECT_EQ(facts.shutdown, 1U) << "no more reads";
  EXPECT_EQ(facts.peer_inode, inode_of(other.get()));
}

TEST(UnixSockets, PeerHeldByAnotherProcessToo) {
  auto [mine, other] = make_socketpair();
  const Child child([&m = mine] { m = UniqueFd(); });
  auto facts = unix_fact(fds_of(own_pid()), mine.get());
  EXPECT_THAT(facts.peer_holders,
              testing::UnorderedElementsAre(HeldBy(getpid(), other.get()), HeldBy(child.pid(), other.get())));
  const int number = other.get();
  other = UniqueFd();
  facts = unix_fact(fds_of(own_pid()), mine.get());
  EXPECT_THAT(facts.peer_holders, testing::ElementsAre(HeldBy(child.pid(), number)));
}

TEST(UnixSockets, ListenerAndClientNotYetAccepted) {
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), lonely(socket(AF_UNIX, SOCK_STREAM, 0));
  const UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = abstract_address("listener");
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 4), 0);
  ASSERT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const Snapshot before = fds_of(own_pid());
  EXPECT_EQ(unix_fact(before, listener.get()).state, "listen");
  EXPECT_EQ(unix_fact(before, listener.get()).rqueue, 1U);
  EXPECT_THAT(unix_fact(before, listener.get()).path, testing::StartsWith("@hang_test_listener"));
  EXPECT_EQ(unix_fact(before, listener.get()).peer_inode, std::nullopt);
  EXPECT_EQ(unix_fact(before, lonely.get()).state, "unconnected");
  EXPECT_EQ(unix_fact(before, lonely.get()).peer_inode, std::nullopt);
  EXPECT_EQ(unix_fact(before, client.get()).peer_inode, inode_of(listener.get())) << "it can still be accepted";
  EXPECT_THAT(unix_fact(before, client.get()).peer_holders, testing::ElementsAre(HeldBy(getpid(), listener.get())));
  const UniqueFd accepted(accept(listener.get(), nullptr, nullptr));
  EXPECT_EQ(unix_fact(fds_of(own_pid()), client.get()).peer_inode, inode_of(accepted.get()));
}

bool may_unshare_network() {
  bool may = false;
  std::thread([&] { may = unshare(CLONE_NEWNET) == 0; }).join();
  return may;
}

TEST(UnixSockets, InAnotherNetworkNamespace) {
  if (!may_unshare_network()) GTEST_SKIP() << "unshare(CLONE_NEWNET) is not permitted";
  const auto [writer, reader] = make_socketpair();  // for their numbers: the child puts a pair of its own there
  const Child child([w = writer.get(), r = reader.get()] {
    EXPECT_EQ(unshare(CLONE_NEWNET), 0);
    const auto [a, b] = make_socketpair();
    fill(a.get());
    EXPECT_EQ(dup3(a.get(), w, O_CLOEXEC), w);
    EXPECT_EQ(dup3(b.get(), r, O_CLOEXEC), r);
  });
  const Snapshot snapshot = fds_of(child.pid());
  const auto full = unix_fact(snapshot, writer.get()), unread = unix_fact(snapshot, reader.get());
  EXPECT_EQ(unread.rqueue, 6U);
  EXPECT_NE(unread.inode, inode_of(reader.get()));
  EXPECT_EQ(unread.peer_inode, full.inode);
  EXPECT_THAT(unread.peer_holders, testing::ElementsAre(HeldBy(child.pid(), writer.get())));
}

// A socket made in another namespace than its process' is unknown to sock_diag there: borrowed, all but its peer.
TEST(UnixSockets, MadeInAnotherNetworkNamespace) {
  if (!may_unshare_network()) GTEST_SKIP() << "unshare(CLONE_NEWNET) is not permitted";
  UniqueFd writer, reader;
  std::thread([&] {
    EXPECT_EQ(unshare(CLONE_NEWNET), 0);
    std::tie(writer, reader) = make_socketpair();
  }).join();
  const std::uint64_t sent = fill(writer.get());
  const Snapshot snapshot = fds_of(own_pid());
  EXPECT_EQ(unix_fact(snapshot, reader.get()).rqueue, sent);
  EXPECT_GE(unix_fact(snapshot, writer.get()).wmem_alloc.value_or(0),
            unix_fact(snapshot, writer.get()).sndbuf.value_or(UINT64_MAX));
  EXPECT_EQ(unix_fact(snapshot, reader.get()).state, "established");
  EXPECT_EQ(unix_fact(snapshot, reader.get()).peer_inode, std::nullopt);
  EXPECT_THAT(snapshot.gaps, testing::Contains(testing::Field(&facts::Gap::what, "peers of unix sockets")));
  writer = UniqueFd();
  EXPECT_EQ(unix_fact(fds_of(own_pid()), reader.get()).shutdown, 3U);
}

TEST(InetSockets, TcpOverLoopback) {
  const UniqueFd listener(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  if (!listener || bind(listener.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) {
    GTEST_SKIP() << "no IPv6 here";
  }
  ASSERT_EQ(listen(listener.get(), 4), 0);
  socklen_t size = sizeof any;
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&any), &size), 0);
  // A dual-stack listener and an IPv4 client: the two ends are in different tables.
  const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = any.sin6_port;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const UniqueFd served(accept(listener.get(), nullptr, nullptr));
  ASSERT_EQ(send(client.get(), "hello", 5, 0), 5);
  const std::string port = std::to_string(ntohs(any.sin6_port));
  const Snapshot snapshot = fds_of(own_pid());
  const auto listening = fact(snapshot, listener.get()), near = fact(snapshot, client.get());
  const auto far = fact(snapshot, served.get());
  ASSERT_TRUE(listening.inet && near.inet && far.inet);
  EXPECT_EQ(listening.type, FdType::inet_socket);
  EXPECT_EQ(listening.inet->protocol, "tcp6");
  EXPECT_EQ(listening.inet->state, "LISTEN");
  EXPECT_EQ(listening.inet->local, "[::]:" + port);
  EXPECT_FALSE(listening.inet->peer_local);
  EXPECT_EQ(near.inet->protocol, "tcp");
  EXPECT_EQ(near.inet->state, "ESTABLISHED");
  EXPECT_EQ(near.inet->remote, "127.0.0.1:" + port);
  EXPECT_TRUE(near.inet->peer_local);
  EXPECT_THAT(near.inet->peer_holders, testing::ElementsAre(HeldBy(getpid(), served.get())));
  EXPECT_EQ(far.inet->rqueue, 5U);
  EXPECT_THAT(far.inet->peer_holders, testing::ElementsAre(HeldBy(getpid(), client.get())));
}

TEST(InetSockets, Udp) {
  const UniqueFd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(udp.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const auto facts = fact(fds_of(own_pid()), udp.get());
  ASSERT_TRUE(facts.inet.has_value());
  EXPECT_EQ(facts.inet->protocol, "udp");
  EXPECT_EQ(facts.inet->state, "UNCONN");
  EXPECT_THAT(facts.inet->local, testing::StartsWith("127.0.0.1:"));
}

}  // namespace
}  // namespace hang::test
