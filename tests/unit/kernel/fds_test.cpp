#include <gmock/gmock.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "own_process.h"

namespace hang::test {
namespace {

using facts::FdType;
using facts::Snapshot;

TEST(Fds, TypesAndModes) {
  const UniqueFd null(open("/dev/null", O_WRONLY | O_CLOEXEC)), root(open("/", O_RDONLY | O_DIRECTORY));
  const UniqueFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), path(open("/proc/self/exe", O_PATH));
  const UniqueFd terminal(posix_openpt(O_RDWR | O_NOCTTY)), events(eventfd(7, EFD_CLOEXEC));
  const UniqueFd watcher(inotify_init1(IN_CLOEXEC)), netlink(socket(AF_NETLINK, SOCK_RAW, 0));
  sigset_t mask;
  sigemptyset(&mask);
  const UniqueFd signals(signalfd(-1, &mask, SFD_CLOEXEC));
  const Snapshot snapshot = fds_of(own_pid());
  EXPECT_EQ(fact(snapshot, null.get()).type, FdType::chr);
  EXPECT_FALSE(fact(snapshot, null.get()).readable);
  EXPECT_TRUE(fact(snapshot, null.get()).writable);
  EXPECT_TRUE(fact(snapshot, null.get()).cloexec);
  EXPECT_EQ(fact(snapshot, root.get()).type, FdType::directory);
  EXPECT_FALSE(fact(snapshot, root.get()).cloexec);
  EXPECT_EQ(fact(snapshot, file.get()).type, FdType::regular);
  EXPECT_EQ(fact(snapshot, file.get()).inode, inode_of(file.get()));
  EXPECT_FALSE(fact(snapshot, path.get()).readable);
  EXPECT_EQ(fact(snapshot, terminal.get()).type, FdType::chr) << "/dev/ptmx, the master";
  EXPECT_EQ(fact(snapshot, events.get()).type, FdType::eventfd);
  ASSERT_NE(snapshot.reading("fd." + std::to_string(events.get()) + ".eventfd_count"), nullptr);
  EXPECT_EQ(snapshot.reading("fd." + std::to_string(events.get()) + ".eventfd_count")->value, "7");
  EXPECT_EQ(fact(snapshot, watcher.get()).type, FdType::inotify);
  EXPECT_EQ(fact(snapshot, netlink.get()).type, FdType::netlink_socket);
  EXPECT_EQ(fact(snapshot, signals.get()).type, FdType::signalfd);
}

TEST(Fds, TerminalIsATty) {
  const UniqueFd master(posix_openpt(O_RDWR | O_NOCTTY));
  ASSERT_TRUE(static_cast<bool>(master));
  ASSERT_EQ(unlockpt(master.get()), 0);
  const UniqueFd slave(open(ptsname(master.get()), O_RDWR | O_NOCTTY));
  ASSERT_TRUE(static_cast<bool>(slave));
  EXPECT_EQ(fact(fds_of(own_pid()), slave.get()).type, FdType::tty);
}

TEST(Fds, EpollSet) {
  auto [reader, writer] = make_pipe();
  const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC)), events(eventfd(0, EFD_CLOEXEC));
  epoll_event input{EPOLLIN, {}}, output{EPOLLOUT | EPOLLET, {}};
  ASSERT_EQ(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, reader.get(), &input), 0);
  ASSERT_EQ(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, writer.get(), &output), 0);
  const auto fd = fact(fds_of(own_pid()), epoll.get());
  EXPECT_EQ(fd.type, FdType::epoll);
  ASSERT_EQ(fd.epoll.size(), 2U);
  for (const auto& watch : fd.epoll) {
    EXPECT_THAT(watch.fd, testing::AnyOf(reader.get(), writer.get()));
    EXPECT_EQ(watch.inode, inode_of(reader.get()));
    const std::uint32_t asked = watch.events & (EPOLLIN | EPOLLOUT | EPOLLET);
    EXPECT_EQ(asked, watch.fd == reader.get() ? EPOLLIN : EPOLLOUT | EPOLLET);
  }
}

TEST(Fds, TimerAndPidfd) {
  const UniqueFd armed(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)), idle(timerfd_create(CLOCK_REALTIME, 0));
  const itimerspec hour{{0, 0}, {3600, 0}};
  ASSERT_EQ(timerfd_settime(armed.get(), 0, &hour, nullptr), 0);
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  const Snapshot before = fds_of(own_pid());
  EXPECT_EQ(fact(before, armed.get()).type, FdType::timerfd);
  EXPECT_GT(fact(before, armed.get()).timer_ms.value_or(0), 3'590'000U);
  EXPECT_LE(fact(before, armed.get()).timer_ms.value_or(0), 3'600'000U);
  EXPECT_EQ(fact(before, idle.get()).timer_ms, std::nullopt);
  EXPECT_EQ(fact(before, pidfd.get()).type, FdType::pidfd);
  EXPECT_EQ(fact(before, pidfd.get()).pid, pid);
  waitpid(pid, nullptr, 0);
  EXPECT_EQ(fact(fds_of(own_pid()), pidfd.get()).pid, -1);
}

TEST(Fds, NoSuchProcess) {
  Snapshot snapshot;
  const auto done = kernel::read_fds(4'194'305, snapshot);  // above the kernel's largest pid_max
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::no_such_process);
  EXPECT_FALSE(snapshot.kernel.fds_known);
}

}  // namespace
}  // namespace hang::test
