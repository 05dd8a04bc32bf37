#include "kernel/ip_sampler.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace hang::test {
namespace {

std::atomic<bool> g_spin{true};
std::atomic<pid_t> g_tid{0};
std::atomic<std::uint64_t> g_rounds{0};

__attribute__((noinline)) void spin() {
  g_tid = static_cast<pid_t>(syscall(SYS_gettid));
  while (g_spin) ++g_rounds;
}

// True if the kernel lets us, which a container's seccomp filter may not.
bool allowed() {
  return kernel::IpSampler::start(static_cast<std::uint64_t>(getpid())).ok();
}

TEST(IpSampler, SeesWhereAThreadRuns) {
  if (!allowed()) GTEST_SKIP() << "perf_event_open is not allowed here";
  g_spin = true;
  std::thread thread(spin);
  while (g_tid == 0) std::this_thread::yield();
  auto sampler = kernel::IpSampler::start(static_cast<std::uint64_t>(g_tid.load()));
  ASSERT_TRUE(sampler.ok()) << sampler.error().describe();
  // Rounds that it made while it was sampled, and not a time: on a loaded machine it gets few of those.
  const std::uint64_t enough = g_rounds + 100'000'000;
  while (g_rounds < enough) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto addresses = sampler->stop();
  g_spin = false;
  thread.join();
  const auto begin = reinterpret_cast<std::uint64_t>(&spin);
  const auto inside = std::count_if(addresses.begin(), addresses.end(),
                                    [&](std::uint64_t at) { return at >= begin && at < begin + 4096; });
  EXPECT_GT(inside, 0) << addresses.size() << " samples";
}

TEST(IpSampler, AThreadThatSleepsIsNowhere) {
  if (!allowed()) GTEST_SKIP() << "perf_event_open is not allowed here";
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  auto sampler = kernel::IpSampler::start(static_cast<std::uint64_t>(child));
  ASSERT_TRUE(sampler.ok()) << sampler.error().describe();
  kernel::IpSampler moved = std::move(*sampler);
  EXPECT_LT(moved.stop().size(), 5U) << "what it did before it slept";
  EXPECT_TRUE(moved.stop().empty()) << "it is over";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(IpSampler, NoSuchThread) {
  auto sampler = kernel::IpSampler::start(4'194'305);
  ASSERT_FALSE(sampler.ok());
  EXPECT_TRUE(sampler.error().kind == ErrorKind::no_such_process || sampler.error().kind == ErrorKind::no_permission);
}

}  // namespace
}  // namespace hang::test
