#include <gtest/gtest.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/kernel.h"
#include "kernel/syscall_names.h"

namespace hang::kernel {
namespace {

using facts::Wait;
using facts::WaitKind;

constexpr std::uint64_t kForever = 0xffffffff;        // an int of -1 in a 64-bit register
constexpr std::uint64_t kDirty = 0xdeadbeef00000000;  // what may be in a register's upper half

Wait decode(std::int64_t number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0,
            std::uint64_t e = 0, std::uint64_t f = 0) {
  return decode_syscall(number, {a, b, c, d, e, f});
}

TEST(Syscalls, NamesAgreeWithThisMachinesHeaders) {
  EXPECT_EQ(syscall_name(SYS_read), "read");
  EXPECT_EQ(syscall_name(SYS_futex), "futex");
  EXPECT_EQ(syscall_name(SYS_epoll_wait), "epoll_wait");
  EXPECT_EQ(syscall_name(SYS_epoll_pwait), "epoll_pwait");
  EXPECT_EQ(syscall_name(SYS_clock_nanosleep), "clock_nanosleep");
  EXPECT_EQ(syscall_name(SYS_rseq), "rseq");
  EXPECT_EQ(syscall_name(SYS_pidfd_getfd), "pidfd_getfd");
  EXPECT_EQ(syscall_name(SYS_epoll_pwait2), "epoll_pwait2");
  EXPECT_EQ(syscall_name(SYS_futex_waitv), "futex_waitv");
  EXPECT_EQ(syscall_name(-1), "");
  EXPECT_EQ(syscall_name(335), "");
  EXPECT_EQ(syscall_name(423), "");
  EXPECT_EQ(syscall_name(INT64_MAX), "");
  EXPECT_EQ(syscall_name(INT64_MIN), "");
}

TEST(Syscalls, NoneAndUnheardOf) {
  EXPECT_EQ(decode(-1).kind, WaitKind::none);
  EXPECT_EQ(decode(-1).name, "");
  EXPECT_EQ(decode(9999).kind, WaitKind::other);
  EXPECT_EQ(decode(9999).syscall, 9999);
}

TEST(Syscalls, Futex) {
  const Wait wait = decode(SYS_futex, 0x7f00, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
  EXPECT_EQ(wait.kind, WaitKind::futex);
  EXPECT_EQ(wait.futex, 0x7f00U);
  EXPECT_EQ(wait.timeout_ms, -1);
  EXPECT_EQ(decode(SYS_futex, 1, FUTEX_WAIT_PRIVATE, 0, 0x1000).timeout_ms, std::nullopt);
  // Waking waits for nothing that a rule could name.
  EXPECT_EQ(decode(SYS_futex, 1, FUTEX_WAKE_PRIVATE).kind, WaitKind::other);
  EXPECT_EQ(decode(SYS_futex, 1, FUTEX_WAKE_PRIVATE).futex, std::nullopt);
  EXPECT_EQ(decode(SYS_futex_waitv, 1, 2).futex, std::nullopt);
}

TEST(Syscalls, Epoll) {
  const Wait wait = decode(SYS_epoll_wait, kDirty | 7, 0x1000, 64, kDirty | kForever);
  EXPECT_EQ(wait.kind, WaitKind::epoll);
  EXPECT_EQ(wait.fd, 7);
  EXPECT_EQ(wait.timeout_ms, -1);
  EXPECT_EQ(decode(SYS_epoll_pwait, 7, 0, 1, 1500).timeout_ms, 1500);
  EXPECT_EQ(decode(SYS_epoll_pwait2, 7, 0, 1, 0).timeout_ms, -1);
  EXPECT_EQ(decode(SYS_epoll_pwait2, 7, 0, 1, 0x1000).timeout_ms, std::nullopt);
}

TEST(Syscalls, PollAndSelect) {
  EXPECT_EQ(decode(SYS_poll, 0x1000, 2, 0xfffffff0).timeout_ms, -1) << "every negative timeout is for ever";
  EXPECT_EQ(decode(SYS_poll, 0x1000, 2, 20).timeout_ms, 20);
  EXPECT_EQ(decode(SYS_ppoll, 0x1000, 2, 0).timeout_ms, -1);
  EXPECT_EQ(decode(SYS_select, 5, 0, 0, 0, 0).kind, WaitKind::select);
  EXPECT_EQ(decode(SYS_pselect6, 5, 0, 0, 0, 0x1000).timeout_ms, std::nullopt);
}

TEST(Syscalls, FilesAndSockets) {
  EXPECT_EQ(decode(SYS_read, 3).kind, WaitKind::read);
  EXPECT_EQ(decode(SYS_read, 3).fd, 3);
  EXPECT_EQ(decode(SYS_read, 3).timeout_ms, std::nullopt) << "SO_RCVTIMEO is not among the arguments";
  EXPECT_EQ(decode(SYS_writev, 4).kind, WaitKind::write);
  EXPECT_EQ(decode(SYS_recvfrom, 5).kind, WaitKind::recv);
  EXPECT_EQ(decode(SYS_recvmmsg, 5, 0, 0, 0, 0).timeout_ms, std::nullopt);
  EXPECT_EQ(decode(SYS_sendmsg, 6).kind, WaitKind::send);
  EXPECT_EQ(decode(SYS_accept4, 7).kind, WaitKind::accept);
  EXPECT_EQ(decode(SYS_connect, 8).kind, WaitKind::connect);
}

TEST(Syscalls, Children) {
  const Wait any = decode(SYS_wait4, kForever);
  EXPECT_EQ(any.kind, WaitKind::wait_child);
  EXPECT_EQ(any.pid, -1);
  EXPECT_EQ(any.timeout_ms, -1);
  EXPECT_EQ(decode(SYS_wait4, 123).pid, 123);
  EXPECT_EQ(decode(SYS_waitid, P_ALL, 5).pid, -1);
  EXPECT_EQ(decode(SYS_waitid, P_PID, 5).pid, 5);
  EXPECT_EQ(decode(SYS_waitid, P_PGID, 5).pid, -5);
  EXPECT_EQ(decode(SYS_waitid, P_PGID, 0x80000000).pid, 2147483648);
  EXPECT_EQ(decode(SYS_waitid, P_PIDFD, 5).fd, 5);
  EXPECT_EQ(decode(SYS_waitid, P_PIDFD, 5).pid, std::nullopt);
}

TEST(Syscalls, SignalsAndOthers) {
  EXPECT_EQ(decode(SYS_pause).kind, WaitKind::signal);
  EXPECT_EQ(decode(SYS_pause).timeout_ms, -1);
  EXPECT_EQ(decode(SYS_rt_sigtimedwait, 0x10, 0, 0).timeout_ms, -1);
  EXPECT_EQ(decode(SYS_rt_sigtimedwait, 0x10, 0, 0x20).timeout_ms, std::nullopt);
  EXPECT_EQ(decode(SYS_io_uring_enter, 9).kind, WaitKind::other);
  EXPECT_EQ(decode(SYS_io_uring_enter, 9).fd, 9);
  EXPECT_EQ(decode(SYS_clock_nanosleep, 1, 0, 0x1000).timeout_ms, std::nullopt);
}

}  // namespace
}  // namespace hang::kernel
