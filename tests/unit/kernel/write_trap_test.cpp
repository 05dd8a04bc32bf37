#include "kernel/write_trap.h"

#include <atomic>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace hang::test {
namespace {

alignas(8) std::atomic<std::uint64_t> g_written{0};
alignas(8) std::atomic<std::uint64_t> g_kept{0};

// A thread that writes the same value again and again.
class Writer {
 public:
  Writer() : thread_([this] { write(); }) {
    while (tid_ == 0) std::this_thread::yield();
  }
  ~Writer() {
    go_ = false;
    thread_.join();
  }
  [[nodiscard]] std::uint64_t tid() const { return static_cast<std::uint64_t>(tid_.load()); }
  // Returns when it has written a thousand times from now.
  void await_writes() const {
    const auto enough = rounds_ + 1000;
    while (rounds_ < enough) std::this_thread::yield();
  }

 private:
  void write() {
    tid_ = static_cast<pid_t>(syscall(SYS_gettid));
    while (go_) {
      g_written = 7;
      ++rounds_;
    }
  }

  std::atomic<bool> go_{true};
  std::atomic<pid_t> tid_{0};
  std::atomic<std::uint64_t> rounds_{0};
  std::thread thread_;
};

std::uint64_t at(const std::atomic<std::uint64_t>& word) {
  return reinterpret_cast<std::uint64_t>(&word);
}

// True if the kernel lets us and the machine can, which a container's filter or a virtual machine may not.
bool allowed() {
  return kernel::WriteTrap::start(static_cast<std::uint64_t>(getpid()), at(g_kept)).ok();
}

TEST(WriteTrap, SeesAWriteOfTheValueThatWasThere) {
  if (!allowed()) GTEST_SKIP() << "no hardware breakpoints here";
  const Writer writer;
  writer.await_writes();
  auto trap = kernel::WriteTrap::start(writer.tid(), at(g_written));
  ASSERT_TRUE(trap.ok()) << trap.error().describe();
  writer.await_writes();
  EXPECT_TRUE(trap->sprung());
  const kernel::WriteTrap moved = std::move(*trap);
  EXPECT_TRUE(moved.sprung());
}

TEST(WriteTrap, OtherWordsDoNotSpringIt) {
  if (!allowed()) GTEST_SKIP() << "no hardware breakpoints here";
  const Writer writer;
  auto trap = kernel::WriteTrap::start(writer.tid(), at(g_kept));
  ASSERT_TRUE(trap.ok()) << trap.error().describe();
  writer.await_writes();
  EXPECT_FALSE(trap->sprung());
}

TEST(WriteTrap, NoSuchThread) {
  auto trap = kernel::WriteTrap::start(4'194'305, at(g_kept));
  EXPECT_FALSE(trap.ok());
}

}  // namespace
}  // namespace hang::test
