#include "hosts/native/native_target.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "support/python_process.h"

namespace hang::native {
namespace {

// A child of ours that runs `body` and then waits to be killed; ready when body has run.
class Child {
 public:
  template <typename Body>
  explicit Child(Body&& body) {
    int ready[2] = {-1, -1};
    if (pipe(ready) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body();
      (void)!write(ready[1], "x", 1);
      for (;;) pause();
    }
    close(ready[1]);
    char byte = 0;
    (void)!read(ready[0], &byte, 1);  // also returns when the child has ended
    close(ready[0]);
  }
  Child() : Child([] {}) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] std::uint64_t pid() const { return static_cast<std::uint64_t>(pid_); }
  // Kills it and waits until it is dead but not reaped.
  void make_zombie() const {
    kill(pid_, SIGKILL);
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }

 private:
  pid_t pid_ = -1;
};

std::uint64_t own_pid() {
  return static_cast<std::uint64_t>(getpid());
}

RemoteAddr address_of(const void* pointer) {
  return RemoteAddr(reinterpret_cast<std::uint64_t>(pointer));
}

TEST(NativeTarget, ReadsMemoryAndStopsAtAHole) {
  const std::size_t page = 4096;
  auto* pages = static_cast<char*>(mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  std::fill_n(pages, 4 * page, 'x');
  munmap(pages + 2 * page, page);
  mprotect(pages + 3 * page, page, PROT_NONE);
  const Child child;
  auto target = open_process(child.pid());
  ASSERT_TRUE(target.ok()) << target.error().describe();
  std::vector<std::byte> out(3 * page, std::byte{0});
  EXPECT_EQ(*(*target)->read(address_of(pages), out), 2 * page);
  EXPECT_EQ(out[2 * page - 1], std::byte{'x'});
  EXPECT_EQ(*(*target)->read(address_of(pages + page + 100), std::span(out).first(page)), page - 100);
  EXPECT_EQ((*target)->read(address_of(pages + 2 * page), out).error().kind, ErrorKind::unreadable);
  EXPECT_EQ((*target)->read(address_of(pages + 3 * page), std::span(out).first(8)).error().kind, ErrorKind::unreadable)
      << "a guard page is not zeros";
  EXPECT_EQ((*target)->read(RemoteAddr(0), out).error().kind, ErrorKind::unreadable);
  EXPECT_EQ((*target)->read(RemoteAddr(UINT64_MAX - 3), out).error().kind, ErrorKind::unreadable);
  munmap(pages, 2 * page);
  munmap(pages + 3 * page, page);
}

TEST(NativeTarget, SymbolsAreWhereTheDynamicLinkerPutThem) {
  const Child child;  // a fork: same addresses as ours
  auto target = open_process(child.pid());
  ASSERT_TRUE(target.ok()) << target.error().describe();
  auto modules = (*target)->modules();
  ASSERT_TRUE(modules.ok());
  EXPECT_EQ(modules->front().path, std::filesystem::read_symlink("/proc/self/exe"));
  const auto libc = std::find_if(modules->begin(), modules->end(),
                                 [](const Module& m) { return m.path.find("/libc.so") != std::string::npos; });
  ASSERT_NE(libc, modules->end());
  EXPECT_EQ((*target)->symbol(*libc, "getpid")->raw(), reinterpret_cast<std::uint64_t>(&getpid));
  auto covering = (*target)->code_symbol(RemoteAddr(reinterpret_cast<std::uint64_t>(&getpid) + 1));
  ASSERT_TRUE(covering.ok()) << covering.error().describe();
  EXPECT_NE(covering->name.find("getpid"), std::string::npos);
  EXPECT_EQ(covering->offset, 1U);
  EXPECT_EQ(covering->module, libc->path);
  EXPECT_EQ((*target)->symbol(*libc, "no_such_symbol").error().kind, ErrorKind::no_symbols);
  EXPECT_EQ((*target)->code_symbol(RemoteAddr(1)).error().kind, ErrorKind::no_symbols);
  EXPECT_EQ((*target)->member("PyThreadState", "next").error().kind, ErrorKind::no_symbols);
}

TEST(NativeTarget, ThreadsAreThoseOfTheTaskFolder) {
  std::atomic<bool> stop = false;
  std::atomic<pid_t> other = 0;
  std::thread thread([&] {
    other = gettid();
    other.notify_all();
    stop.wait(false);
  });
  other.wait(0);
  auto target = open_process(own_pid());
  auto threads = target ? (*target)->threads() : Result<std::vector<TargetThread>>(target.error());
  stop = true;
  stop.notify_all();
  thread.join();
  ASSERT_TRUE(threads.ok()) << threads.error().describe();
  EXPECT_TRUE(std::any_of(threads->begin(), threads->end(), [&](const TargetThread& found) {
    return found.tid == static_cast<std::uint64_t>(other) && !found.registers;
  }));
  EXPECT_TRUE(std::any_of(threads->begin(), threads->end(), [&](const auto& t) { return t.tid == own_pid(); }));
}

TEST(NativeTarget, ThreadIsNoProcess) {
  std::atomic<bool> stop = false;
  std::atomic<pid_t> other = 0;
  std::thread thread([&] {
    other = gettid();
    other.notify_all();
    stop.wait(false);
  });
  other.wait(0);
  auto target = open_process(static_cast<std::uint64_t>(other));
  stop = true;
  stop.notify_all();
  thread.join();
  ASSERT_FALSE(target.ok());
  EXPECT_EQ(target.error().kind, ErrorKind::no_such_process);
  EXPECT_NE(target.error().message.find(fmt::format("thread of process {}", getpid())), std::string::npos);
}

TEST(NativeTarget, NoSuchProcess) {
  Child child;
  const auto pid = child.pid();
  child.make_zombie();
  waitpid(static_cast<pid_t>(pid), nullptr, 0);
  for (const std::uint64_t absent : {pid, std::uint64_t{0}, (std::uint64_t{1} << 32) + own_pid()}) {
    auto target = open_process(absent);
    ASSERT_FALSE(target.ok());
    EXPECT_EQ(target.error().kind, ErrorKind::no_such_process);
    EXPECT_EQ(target.error().message, fmt::format("no process with pid {}", absent));
  }
}

TEST(NativeTarget, ZombieIsNamed) {
  const Child child;
  child.make_zombie();
  auto target = open_process(child.pid());
  ASSERT_FALSE(target.ok());
  EXPECT_EQ(target.error().kind, ErrorKind::no_such_process);
  EXPECT_NE(target.error().message.find("zombie"), std::string::npos) << target.error().message;
}

TEST(NativeTarget, KernelThreadIsNamed) {
  std::ifstream comm("/proc/2/comm");
  std::string name;
  if (!std::getline(comm, name) || name != "kthreadd") GTEST_SKIP() << "no kernel thread is to be seen from here";
  auto target = open_process(2);
  ASSERT_FALSE(target.ok());
  EXPECT_EQ(target.error().kind, ErrorKind::no_such_process);
  EXPECT_NE(target.error().message.find("(kthreadd) is a kernel thread"), std::string::npos);
}

TEST(NativeTarget, EndOfTheProcessIsNoticed) {
  Child child;
  auto target = open_process(child.pid());
  ASSERT_TRUE(target.ok()) << target.error().describe();
  child.make_zombie();
  std::array<std::byte, 8> out{};
  const RemoteAddr somewhere = (*target)->modules()->front().begin;
  EXPECT_EQ((*target)->read(somewhere, out).error().kind, ErrorKind::no_such_process);
  EXPECT_EQ((*target)->threads().error().kind, ErrorKind::no_such_process);
  waitpid(static_cast<pid_t>(child.pid()), nullptr, 0);
  EXPECT_EQ((*target)->read(somewhere, out).error().kind, ErrorKind::no_such_process);
  EXPECT_EQ((*target)->threads().error().kind, ErrorKind::no_such_process);
}

// Gives up the right to read others in a child, which tries to read its parent's other child.
TEST(NativeTarget, MissingPermissionNamesTheRemedy) {
  if (getuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  const Child child;
  int answer[2];
  ASSERT_EQ(pipe(answer), 0);
  const pid_t stranger = fork();
  if (stranger == 0) {
    std::string text = "setuid failed";
    if (setgid(65534) == 0 && setuid(65534) == 0) {
      auto target = open_process(child.pid());
      text = target ? "opened" : std::string(to_string(target.error().kind)) + ": " + target.error().message;
    }
    (void)!write(answer[1], text.data(), text.size());
    _exit(0);
  }
  close(answer[1]);
  std::string text(4096, '\0');
  const ssize_t size = read(answer[0], text.data(), text.size());
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  close(answer[0]);
  waitpid(stranger, nullptr, 0);
  EXPECT_EQ(text.rfind("no_permission: ", 0), 0U) << text;
  EXPECT_NE(text.find("runs as uid 0 and we as uid 65534"), std::string::npos) << text;
  EXPECT_NE(text.find("CAP_SYS_PTRACE"), std::string::npos) << text;
}

TEST(NativeTarget, DeletedExecutableIsStillRead) {
  const std::string copy = fmt::format("/tmp/hang-native-target-test-{}", getpid());
  std::filesystem::copy_file("/bin/sleep", copy, std::filesystem::copy_options::overwrite_existing);
  int started[2];
  ASSERT_EQ(pipe2(started, O_CLOEXEC), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execl(copy.c_str(), copy.c_str(), "1000", nullptr);
    _exit(127);
  }
  close(started[1]);
  char byte = 0;
  (void)!read(started[0], &byte, 1);  // end of file: exec has closed the other end
  close(started[0]);
  std::filesystem::remove(copy);
  auto target = open_process(static_cast<std::uint64_t>(pid));
  EXPECT_TRUE(target.ok()) << target.error().describe();
  if (target) {
    auto modules = (*target)->modules();
    EXPECT_EQ(modules->front().path, copy + " (deleted)");
    // sleep is stripped and exports nothing; that its file opens shows in what is missing.
    auto symbol = (*target)->symbol(modules->front(), "no_such_symbol");
    EXPECT_NE(symbol.error().message.find("does not define"), std::string::npos) << symbol.error().message;
  }
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace hang::native
