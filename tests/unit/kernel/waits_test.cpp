#include "collect/waits.h"

#include <array>
#include <gmock/gmock.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "support/fake_target.h"

namespace hang::collect {
namespace {

using facts::Wait;
using test::FakeTarget;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kPlace = 0x7000;

Wait decode(std::int64_t number, std::array<std::uint64_t, 6> args) {
  const std::uint64_t plain[6] = {args[0], args[1], args[2], args[3], args[4], args[5]};
  return kernel::decode_syscall(number, plain);
}

// The wait with a struct timespec {seconds, nanoseconds} at kPlace.
Wait complete(FakeTarget& target, std::int64_t number, std::array<std::uint64_t, 6> args) {
  Wait wait = decode(number, args);
  complete_wait(target, wait);
  return wait;
}

void put_time(FakeTarget& target, std::int64_t seconds, std::int64_t fraction) {
  target.put(RemoteAddr(kPlace), std::array<std::int64_t, 2>{seconds, fraction});
}

class Waits : public testing::Test {
 protected:
  Waits() {
    target.set_pid(static_cast<std::uint64_t>(getpid()));
    target.set_local(true);
  }
  void put_deadline(clockid_t clock, std::int64_t seconds_from_now) {
    timespec now{};
    ASSERT_EQ(clock_gettime(clock, &now), 0);
    put_time(target, now.tv_sec + seconds_from_now, now.tv_nsec);
  }
  static void expect_about(std::optional<std::int64_t> ms, std::int64_t most) {
    ASSERT_TRUE(ms.has_value());
    EXPECT_LE(*ms, most);
    EXPECT_GT(*ms, most - 50'000) << "the test itself took that long?";
  }
  FakeTarget target;
};

TEST_F(Waits, RelativeSleep) {
  put_time(target, 2, 500'000'001);
  EXPECT_EQ(complete(target, SYS_nanosleep, {kPlace}).timeout_ms, 2501) << "rounded up";
  EXPECT_EQ(complete(target, SYS_clock_nanosleep, {CLOCK_MONOTONIC, 0, kPlace}).timeout_ms, 2501);
}

TEST_F(Waits, AbsoluteSleepIsWhatIsLeft) {
  for (const clockid_t clock : {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME}) {
    put_deadline(clock, 1000);
    const Wait wait = complete(target, SYS_clock_nanosleep, {static_cast<std::uint64_t>(clock), TIMER_ABSTIME, kPlace});
    expect_about(wait.timeout_ms, 1'000'000);
  }
  put_deadline(CLOCK_MONOTONIC, -1);  // not before the machine started
  EXPECT_EQ(complete(target, SYS_clock_nanosleep, {CLOCK_MONOTONIC, TIMER_ABSTIME, kPlace}).timeout_ms, 0);
}

TEST_F(Waits, AbsoluteDeadlinesMeanNothingOnACoreOrElsewhere) {
  put_deadline(CLOCK_MONOTONIC, 1000);
  target.set_local(false);
  EXPECT_EQ(complete(target, SYS_clock_nanosleep, {CLOCK_MONOTONIC, TIMER_ABSTIME, kPlace}).timeout_ms, std::nullopt);
  target.set_local(true);
  target.set_kind(TargetKind::core);
  EXPECT_EQ(complete(target, SYS_clock_nanosleep, {CLOCK_MONOTONIC, TIMER_ABSTIME, kPlace}).timeout_ms, std::nullopt);
  EXPECT_EQ(complete(target, SYS_futex, {1, FUTEX_WAIT_BITSET_PRIVATE, 0, kPlace}).timeout_ms, std::nullopt);
  put_time(target, 3, 0);
  EXPECT_EQ(complete(target, SYS_futex, {1, FUTEX_WAIT_PRIVATE, 0, kPlace}).timeout_ms, 3000) << "relative";
}

TEST_F(Waits, CpuClocksGiveNoTimeout) {
  put_time(target, 5, 0);
  EXPECT_EQ(complete(target, SYS_clock_nanosleep, {CLOCK_PROCESS_CPUTIME_ID, 0, kPlace}).timeout_ms, std::nullopt);
}

TEST_F(Waits, FutexCommandsDifferInTheirClock) {
  put_time(target, 3, 0);
  EXPECT_EQ(complete(target, SYS_futex, {1, FUTEX_WAIT_PRIVATE, 0, kPlace}).timeout_ms, 3000);
  EXPECT_EQ(complete(target, SYS_futex, {1, FUTEX_WAIT_BITSET_PRIVATE, 0, kPlace}).timeout_ms, 0) << "long ago";
  put_deadline(CLOCK_MONOTONIC, 1000);
  expect_about(complete(target, SYS_futex, {1, FUTEX_WAIT_BITSET_PRIVATE, 0, kPlace}).timeout_ms, 1'000'000);
  put_deadline(CLOCK_REALTIME, 1000);
  const std::uint64_t realtime = FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME;
  expect_about(complete(target, SYS_futex, {1, realtime, 0, kPlace}).timeout_ms, 1'000'000);
  expect_about(complete(target, SYS_futex, {1, FUTEX_LOCK_PI_PRIVATE, 0, kPlace}).timeout_ms, 1'000'000);
  EXPECT_EQ(complete(target, SYS_futex, {1, FUTEX_WAIT_PRIVATE, 0, 0}).timeout_ms, -1);
}

TEST_F(Waits, FutexVectorNamesItsFirstWord) {
  target.put(RemoteAddr(kPlace), std::array<std::uint64_t, 3>{0, 0xabc0, 2});
  const Wait wait = complete(target, SYS_futex_waitv, {kPlace, 1, 0, 0, CLOCK_MONOTONIC});
  EXPECT_EQ(wait.futex, 0xabc0U);
  EXPECT_EQ(wait.timeout_ms, -1);
}

TEST_F(Waits, UnreadableAndImpossibleTimesAreAbsent) {
  EXPECT_EQ(complete(target, SYS_nanosleep, {0xdead000}).timeout_ms, std::nullopt);
  for (const auto& [seconds, fraction] :
       {std::pair{-1LL, 0LL}, std::pair{0LL, -1LL}, std::pair{0LL, 1'000'000'000LL}}) {
    put_time(target, seconds, fraction);
    EXPECT_EQ(complete(target, SYS_nanosleep, {kPlace}).timeout_ms, std::nullopt) << seconds << " " << fraction;
  }
  put_time(target, INT64_MAX, 999'999'999);
  EXPECT_GT(complete(target, SYS_nanosleep, {kPlace}).timeout_ms.value_or(0), INT64_MAX / 2) << "saturates";
  EXPECT_GT(complete(target, SYS_clock_nanosleep, {CLOCK_MONOTONIC, TIMER_ABSTIME, kPlace}).timeout_ms.value_or(0),
            INT64_MAX / 2);
}

TEST_F(Waits, Poll) {
  target.put(RemoteAddr(kPlace), std::array<pollfd, 3>{{{5, POLLIN, 0}, {-1, POLLIN, 0}, {9, POLLOUT, 0}}});
  EXPECT_THAT(complete(target, SYS_poll, {kPlace, 3, 100}).fds, ElementsAre(5, 9));
  EXPECT_EQ(complete(target, SYS_poll, {kPlace, 3, 100}).timeout_ms, 100);
  EXPECT_THAT(complete(target, SYS_ppoll, {kPlace, 3, 0}).fds, ElementsAre(5, 9));
  EXPECT_EQ(complete(target, SYS_ppoll, {kPlace, 3, 0}).timeout_ms, -1);
}

TEST_F(Waits, PollOfTooManyOrUnreadableFilesNamesNone) {
  target.put(RemoteAddr(kPlace), std::array<pollfd, 3>{{{5, POLLIN, 0}, {6, POLLIN, 0}, {9, POLLOUT, 0}}});
  EXPECT_THAT(complete(target, SYS_poll, {kPlace, 4, 100}).fds, IsEmpty()) << "a part would look like all";
  const std::size_t reads = target.reads();
  EXPECT_THAT(complete(target, SYS_poll, {kPlace, 0xffffffff, 100}).fds, IsEmpty());
  EXPECT_EQ(target.reads(), reads) << "nothing is allocated or read for a forged count";
}

TEST_F(Waits, Select) {
  constexpr std::uint64_t kReads = 0x8000, kWrites = 0x9000;
  fd_set reads, writes;
  FD_ZERO(&reads);
  FD_ZERO(&writes);
  FD_SET(3, &reads);
  FD_SET(70, &reads);
  FD_SET(3, &writes);
  FD_SET(200, &writes);  // beyond nfds
  target.put(RemoteAddr(kReads), reads);
  target.put(RemoteAddr(kWrites), writes);
  put_time(target, 1, 500'000);
  const Wait old = complete(target, SYS_select, {71, kReads, kWrites, 0, kPlace});
  EXPECT_THAT(old.fds, ElementsAre(3, 70));
  EXPECT_EQ(old.timeout_ms, 1500) << "microseconds";
  const Wait now = complete(target, SYS_pselect6, {71, kReads, kWrites, 0, kPlace});
  EXPECT_EQ(now.timeout_ms, 1001) << "nanoseconds";
  EXPECT_THAT(complete(target, SYS_select, {71, kReads, 0xdead000, 0, 0}).fds, IsEmpty());
  EXPECT_EQ(complete(target, SYS_select, {71, kReads, 0, 0, 0}).timeout_ms, -1);
  EXPECT_THAT(complete(target, SYS_select, {0x7fffffff, kReads, 0, 0, 0}).fds, IsEmpty());
}

TEST_F(Waits, EpollAndSignal) {
  put_time(target, 4, 0);
  EXPECT_EQ(complete(target, SYS_epoll_pwait2, {5, 0, 1, kPlace}).timeout_ms, 4000);
  EXPECT_EQ(complete(target, SYS_epoll_wait, {5, 0, 1, 0xffffffff}).timeout_ms, -1);
  EXPECT_EQ(complete(target, SYS_rt_sigtimedwait, {0x10, 0, kPlace}).timeout_ms, 4000);
}

TEST_F(Waits, WithoutArgumentsNothingIsRead) {
  Wait wait;
  wait.kind = facts::WaitKind::poll;
  complete_wait(target, wait);
  EXPECT_EQ(target.reads(), 0U);
}

}  // namespace
}  // namespace hang::collect
