#include "kernel/fdinfo.h"

#include <gtest/gtest.h>

namespace hang::kernel {
namespace {

TEST(FdInfo, Epoll) {
  const FdInfo info = parse_fdinfo(
      "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1039\n"
      "tfd:        6 events:       19 data:                6  pos:0 ino:e7ff sdev:e\n"
      "tfd:       11 events: 80002019 data: ffffffffffffffff  pos:0 ino:5 sdev:e\n");
  EXPECT_EQ(info.flags, 02000002U);
  EXPECT_EQ(info.inode, 1039U);
  ASSERT_EQ(info.watches.size(), 2U);
  EXPECT_EQ(info.watches[0].fd, 6);
  EXPECT_EQ(info.watches[0].events, 0x19U);
  EXPECT_EQ(info.watches[0].inode, 0xe7ffU);
  EXPECT_EQ(info.watches[1].fd, 11);
  EXPECT_EQ(info.watches[1].events, 0x80002019U);
}

TEST(FdInfo, TimerKeepsArmedFiredAndDisarmedApart) {
  EXPECT_EQ(parse_fdinfo("clockid: 0\nticks: 0\nit_value: (2, 500000000)\n").timer_ms, 2500U);
  EXPECT_EQ(parse_fdinfo("clockid: 0\nticks: 0\nit_value: (0, 1)\n").timer_ms, 1U);
  EXPECT_EQ(parse_fdinfo("clockid: 0\nticks: 3\nit_value: (0, 0)\n").timer_ms, 0U);
  EXPECT_EQ(parse_fdinfo("clockid: 0\nticks: 0\nit_value: (0, 0)\n").timer_ms, std::nullopt);
  EXPECT_EQ(parse_fdinfo("ticks: 0\nit_value: (18446744073709551615, 0)\n").timer_ms, std::nullopt);
}

TEST(FdInfo, PidAndEventCount) {
  EXPECT_EQ(parse_fdinfo("flags:\t02\nPid:\t-1\nNSpid:\t-1\n").pid, -1);
  EXPECT_EQ(parse_fdinfo("eventfd-count:               1f\neventfd-id: 3\n").event_count, 31U);
}

TEST(FdInfo, GarbageIsAbsent) {
  const FdInfo info = parse_fdinfo("tfd: x\ntfd:\nit_value: (\nflags:\t9\nPid:\n:\n\n(((");
  EXPECT_TRUE(info.watches.empty());
  EXPECT_EQ(info.flags, std::nullopt);
  EXPECT_EQ(info.timer_ms, std::nullopt);
  EXPECT_EQ(info.pid, std::nullopt);
}

}  // namespace
}  // namespace hang::kernel
