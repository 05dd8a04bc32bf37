#include <atomic>
#include <functional>
#include <gmock/gmock.h>
#include <linux/futex.h>
#include <map>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <thread>

#include "own_process.h"

namespace hang::test {
namespace {

using facts::Snapshot;
using facts::ThreadFacts;
using facts::WaitKind;

Snapshot process_of(std::uint64_t pid) {
  Snapshot snapshot;
  const auto done = kernel::read_process(pid, snapshot);
  EXPECT_TRUE(done.ok()) << done.error().describe();
  return snapshot;
}

// A thread of this process that announces its tid and then runs `body`, which must end when the test undoes it.
class Thread {
 public:
  explicit Thread(std::function<void()> body)
      : thread_([this, body] {
          tid_ = static_cast<std::uint64_t>(gettid());
          body();
        }) {}
  ~Thread() { thread_.join(); }
  // The thread's facts once it is blocked in a wait of `kind`; only ctest's time limit ends the watching.
  ThreadFacts once_in(WaitKind kind) {
    while (true) {
      if (const std::uint64_t tid = tid_) {
        const auto facts = kernel::read_thread(own_pid(), tid);
        EXPECT_TRUE(facts.ok()) << facts.error().describe();
        if (!facts || facts->wait.kind == kind) return facts ? *facts : ThreadFacts{};
      }
      sched_yield();
    }
  }

 private:
  std::atomic<std::uint64_t> tid_{0};
  std::thread thread_;
};

TEST(Process, OwnIdentity) {
  const Snapshot snapshot = process_of(own_pid());
  const auto& process = snapshot.kernel.process;
  EXPECT_EQ(process.ppid, getppid());
  EXPECT_EQ(process.pgrp, getpgrp());
  EXPECT_EQ(process.session, getsid(0));
  EXPECT_EQ(process.tracer_pid, 0);
  ASSERT_FALSE(process.cmdline.empty());
  EXPECT_THAT(process.cmdline[0], testing::EndsWith("kernel_test"));
  EXPECT_TRUE(process.start_ticks.has_value());
  const auto* self = snapshot.thread(own_pid());
  ASSERT_NE(self, nullptr);
  EXPECT_EQ(self->comm, "kernel_test");
  EXPECT_EQ(self->state, 'R');
  EXPECT_GT(self->cpu_ns.value_or(0), 0U);
  EXPECT_TRUE(self->voluntary_switches.has_value());
}

TEST(Process, SignalDispositionsAndMasks) {
  Child child([] {
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, [](int) {});
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, nullptr);
    kill(getpid(), SIGUSR1);
  });
  const Snapshot snapshot = process_of(child.pid());
  const auto bit = [](int number) { return std::uint64_t{1} << (number - 1); };
  EXPECT_TRUE(*snapshot.kernel.process.sig_ign & bit(SIGINT));
  EXPECT_TRUE(*snapshot.kernel.process.sig_cgt & bit(SIGTERM));
  EXPECT_FALSE(*snapshot.kernel.process.sig_cgt & bit(SIGINT));
  EXPECT_EQ(*snapshot.kernel.process.shd_pnd, bit(SIGUSR1));
  ASSERT_EQ(snapshot.threads.size(), 1U);
  EXPECT_EQ(*snapshot.threads[0].sig_blk, bit(SIGUSR1));
  EXPECT_EQ(*snapshot.threads[0].sig_pnd, 0U);
}

TEST(Process, ChildrenOfAnyThread) {
  const Child child([] {});
  std::uint64_t zombie = 0;
  std::thread([&] {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    zombie = static_cast<std::uint64_t>(pid);
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  }).join();
  const Snapshot snapshot = process_of(own_pid());
  std::map<std::int64_t, char> states;
  for (const auto& each : snapshot.kernel.process.children) states[each.pid] = each.state;
  EXPECT_TRUE(states.count(static_cast<std::int64_t>(child.pid())));
  EXPECT_EQ(states[static_cast<std::int64_t>(zombie)], 'Z');
  waitpid(static_cast<pid_t>(zombie), nullptr, 0);
}

TEST(Process, ZombieHasEnded) {
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  Snapshot snapshot;
  const auto done = kernel::read_process(static_cast<std::uint64_t>(pid), snapshot);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().kind, ErrorKind::no_such_process);
  EXPECT_EQ(done.error().message, "process " + std::to_string(pid) + " has ended (zombie): its memory is gone");
  waitpid(pid, nullptr, 0);
  const auto gone = kernel::read_process(static_cast<std::uint64_t>(pid), snapshot);
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().message, "no process with pid " + std::to_string(pid));
}

// A main thread that ended leaves a zombie leader, yet the process lives.
TEST(Process, LeaderEndedButThreadsLive) {
  auto [reader, writer] = make_pipe();
  const pid_t pid = fork();
  if (pid == 0) {
    std::thread([fd = writer.get(), leader = own_pid()] {
      while (kernel::read_thread(leader, leader).value_or({}).state != 'Z') sched_yield();
      if (write(fd, "x", 1) != 1) _exit(1);
      while (true) pause();
    }).detach();
    syscall(SYS_exit, 0);  // this thread only
  }
  writer = UniqueFd();
  char ready = 0;
  ASSERT_EQ(read(reader.get(), &ready, 1), 1);
  const Snapshot snapshot = process_of(static_cast<std::uint64_t>(pid));
  EXPECT_EQ(snapshot.kernel.process.state, 'Z');
  EXPECT_EQ(snapshot.threads.size(), 2U);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

TEST(Process, ThreadIdIsNoProcess) {
  auto [reader, writer] = make_pipe();
  Thread thread([fd = reader.get()] {
    char byte = 0;
    EXPECT_EQ(read(fd, &byte, 1), 0);
  });
  const ThreadFacts blocked = thread.once_in(WaitKind::read);
  Snapshot snapshot;
  const auto done = kernel::read_process(blocked.tid, snapshot);
  EXPECT_FALSE(done.ok());
  if (!done) {
    EXPECT_EQ(done.error().kind, ErrorKind::no_such_process);
    EXPECT_THAT(done.error().message, testing::HasSubstr("thread of process " + std::to_string(getpid())));
  }
  writer = UniqueFd();
}

TEST(Thread, BlockedInRead) {
  auto [reader, writer] = make_pipe();
  Thread thread([fd = reader.get()] {
    char byte = 0;
    EXPECT_EQ(read(fd, &byte, 1), 0);
  });
  const ThreadFacts facts = thread.once_in(WaitKind::read);
  EXPECT_EQ(facts.wait.fd, reader.get());
  EXPECT_EQ(facts.wait.name, "read");
  EXPECT_EQ(facts.state, 'S');
  EXPECT_TRUE(facts.pc.has_value());
  writer = UniqueFd();
}

TEST(Thread, BlockedOnFutex) {
  std::atomic<std::uint32_t> word{0};
  Thread thread([&] {
    while (word == 0) syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0);
  });
  const ThreadFacts facts = thread.once_in(WaitKind::futex);
  EXPECT_EQ(facts.wait.futex, reinterpret_cast<std::uint64_t>(&word));
  EXPECT_EQ(facts.wait.timeout_ms, -1);
  word = 1;
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

TEST(Thread, BlockedInEpollAndSpinning) {
  auto [reader, writer] = make_pipe();
  const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{EPOLLIN, {}};
  ASSERT_EQ(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, reader.get(), &event), 0);
  {
    Thread thread([fd = epoll.get()] {
      epoll_event ready{};
      EXPECT_EQ(epoll_wait(fd, &ready, 1, -1), 1);
    });
    const ThreadFacts facts = thread.once_in(WaitKind::epoll);
    EXPECT_EQ(facts.wait.fd, epoll.get());
    EXPECT_EQ(facts.wait.timeout_ms, -1);
    ASSERT_EQ(write(writer.get(), "x", 1), 1);
  }
  std::atomic<bool> stop{false};
  Thread spinner([&] {
    while (!stop) {
    }
  });
  const ThreadFacts facts = spinner.once_in(WaitKind::none);
  EXPECT_EQ(facts.state, 'R');
  EXPECT_EQ(facts.wait.syscall, -1);
  stop = true;
}

// A stop turns poll() into restart_syscall(); the wait channel tells which call goes on.
TEST(Thread, RestartedAfterStop) {
  auto [reader, writer] = make_pipe();
  const pid_t pid = fork();
  if (pid == 0) {
    pollfd entry{reader.get(), POLLIN, 0};
    poll(&entry, 1, -1);
    _exit(0);
  }
  const auto child = static_cast<std::uint64_t>(pid);
  const auto once = [&](auto condition) {
    while (true) {
      const auto facts = kernel::read_thread(child, child);
      EXPECT_TRUE(facts.ok());
      if (!facts || condition(*facts)) return facts ? *facts : ThreadFacts{};
      sched_yield();
    }
  };
  once([](const ThreadFacts& facts) { return facts.wait.kind == WaitKind::poll && facts.state == 'S'; });
  kill(pid, SIGSTOP);
  once([](const ThreadFacts& facts) { return facts.state == 'T'; });
  kill(pid, SIGCONT);
  const ThreadFacts after =
      once([](const ThreadFacts& facts) { return facts.state == 'S' && !facts.wait.name.empty(); });
  EXPECT_EQ(after.wait.kind, WaitKind::poll);
  EXPECT_EQ(after.wait.timeout_ms, -1);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace hang::test
