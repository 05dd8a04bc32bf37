#include "kernel/pipes.h"

#include <cstring>
#include <gmock/gmock.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "own_process.h"

namespace hang::test {
namespace {

using facts::FdType;
using facts::Holder;
using facts::Snapshot;
using testing::Contains;
using testing::IsEmpty;

MATCHER_P2(HeldBy, pid, fd, "") {
  return arg.pid == static_cast<std::uint64_t>(pid) && arg.fd == fd;
}

TEST(Pipes, UnreadBytesAndBothEnds) {
  auto [reader, writer] = make_pipe();
  ASSERT_EQ(write(writer.get(), "hello", 5), 5);
  const Snapshot snapshot = fds_of(own_pid());
  for (const int fd : {reader.get(), writer.get()}) {
    const auto facts = fact(snapshot, fd);
    EXPECT_EQ(facts.type, FdType::pipe);
    ASSERT_TRUE(facts.pipe.has_value());
    EXPECT_EQ(facts.pipe->inode, inode_of(fd));
    EXPECT_EQ(facts.pipe->unread, 5U);
    EXPECT_EQ(facts.pipe->capacity, static_cast<std::uint64_t>(fcntl(fd, F_GETPIPE_SZ)));
    EXPECT_THAT(facts.pipe->readers, testing::ElementsAre(HeldBy(getpid(), reader.get())));
    EXPECT_THAT(facts.pipe->writers, testing::ElementsAre(HeldBy(getpid(), writer.get())));
  }
}

TEST(Pipes, EndHeldByAnotherProcess) {
  auto [reader, writer] = make_pipe();
  const int writer_number = writer.get();
  const Child child([&r = reader] { r = UniqueFd(); });
  writer = UniqueFd();
  const Snapshot snapshot = fds_of(own_pid());
  const auto facts = fact(snapshot, reader.get());
  ASSERT_TRUE(facts.pipe.has_value());
  EXPECT_THAT(facts.pipe->readers, testing::ElementsAre(HeldBy(getpid(), reader.get())));
  EXPECT_THAT(facts.pipe->writers, testing::ElementsAre(HeldBy(child.pid(), writer_number)));
  EXPECT_EQ(facts.pipe->writers[0].comm, "kernel_test");
}

// The kernel itself says so, whoever's table may not be read.
TEST(Pipes, OtherEndGone) {
  auto [reader, writer] = make_pipe();
  auto [other_reader, other_writer] = make_pipe();
  writer = UniqueFd();
  other_reader = UniqueFd();
  const Snapshot snapshot = fds_of(own_pid());
  const auto without_writer = fact(snapshot, reader.get()), without_reader = fact(snapshot, other_writer.get());
  ASSERT_TRUE(without_writer.pipe && without_reader.pipe);
  EXPECT_THAT(without_writer.pipe->writers, IsEmpty());
  EXPECT_TRUE(without_writer.pipe->holders_complete);
  EXPECT_THAT(without_reader.pipe->readers, IsEmpty());
  EXPECT_TRUE(without_reader.pipe->holders_complete);
}

// A descriptor on its way in a message is in nobody's table, yet there is a writer.
TEST(Pipes, OtherEndInAMessage) {
  auto [reader, writer] = make_pipe();
  int ends[2] = {-1, -1};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd sender(ends[0]), receiver(ends[1]);
  char byte = 'x';
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = writer.get();
  std::memcpy(CMSG_DATA(header), &number, sizeof number);
  ASSERT_EQ(sendmsg(sender.get(), &message, 0), 1);
  writer = UniqueFd();
  const auto facts = fact(fds_of(own_pid()), reader.get());
  EXPECT_THAT(facts.pipe->writers, IsEmpty());
  EXPECT_FALSE(facts.pipe->holders_complete);
}

TEST(Pipes, LookingDoesNotDisturb) {
  auto [reader, writer] = make_pipe();
  reader = UniqueFd();
  signal(SIGPIPE, SIG_IGN);
  const auto facts = fact(fds_of(own_pid()), writer.get());
  EXPECT_THAT(facts.pipe->readers, IsEmpty());
  EXPECT_EQ(write(writer.get(), "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST(Pipes, Fifo) {
  const std::string path = testing::TempDir() + "hang_fifo_" + std::to_string(getpid());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const UniqueFd both(open(path.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(write(both.get(), "abc", 3), 3);
  const auto facts = fact(fds_of(own_pid()), both.get());
  unlink(path.c_str());
  EXPECT_EQ(facts.type, FdType::fifo);
  ASSERT_TRUE(facts.pipe.has_value());
  EXPECT_EQ(facts.pipe->unread, 3U);
  EXPECT_THAT(facts.pipe->readers, Contains(HeldBy(getpid(), both.get())));
  EXPECT_THAT(facts.pipe->writers, Contains(HeldBy(getpid(), both.get())));
}

// Where pidfd_getfd is refused, a reading end may be opened once more, a writing end never.
TEST(Pipes, WithoutBorrowing) {
  auto [reader, writer] = make_pipe();
  ASSERT_EQ(write(writer.get(), "hello", 5), 5);
  const kernel::Borrower powerless(4'194'305);
  const auto process = kernel::ProcDir::open_process(own_pid());
  ASSERT_TRUE(process.ok());
  const auto fds = process->open("fd");
  ASSERT_TRUE(fds.ok());
  facts::FdFacts fd;
  fd.fd = reader.get();
  fd.inode = inode_of(reader.get());
  fd.writable = false;
  const auto readable = kernel::read_pipe(powerless, *fds, fd);
  ASSERT_TRUE(readable.ok()) << readable.error().describe();
  EXPECT_EQ(readable->facts.unread, 5U);
  EXPECT_EQ(readable->has_writers, true);
  fd.fd = writer.get();
  fd.writable = true;
  fd.readable = false;
  EXPECT_FALSE(kernel::read_pipe(powerless, *fds, fd).ok());
}

// Of a pair that a process opened itself and of one that it may have inherited: bit 0 and 1 say whether all holders are
// known to it, bit 2 that it saw no gap.
int look_at_own_pipes() {
  auto [reader, writer] = make_pipe();
  auto [old_reader, old_writer] = make_pipe();
  fcntl(old_writer.get(), F_SETFD, 0);
  Snapshot snapshot;
  if (!kernel::read_fds(own_pid(), snapshot)) return 101;
  const auto known = [&](int fd) { return snapshot.fd(fd) && snapshot.fd(fd)->pipe->holders_complete ? 1 : 0; };
  return known(reader.get()) | known(old_reader.get()) << 1 | (snapshot.gaps.empty() ? 4 : 0);
}

int exit_status_of(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// One who is not root: the processes of others are all unreadable for him.
int look_as_nobody(bool own_session) {
  const pid_t pid = fork();
  if (pid != 0) return exit_status_of(pid);
  if (own_session) setsid();
  if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) _exit(100);
  prctl(PR_SET_DUMPABLE, 1);  // setuid() took our own /proc directory from us
  _exit(look_at_own_pipes());
}

// root with fewer capabilities than its parent, which is unreadable then, in a program of its own. The two have a
// session of their own: other tests that run beside this one are unreadable too, and younger.
int look_after_exec(const char* test) {
  const pid_t parent = fork();
  if (parent != 0) return exit_status_of(parent);
  setsid();
  const pid_t pid = fork();
  if (pid != 0) _exit(exit_status_of(pid));
  prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE);
  prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT);
  const std::string filter = std::string("--gtest_filter=") + test;
  execl("/proc/self/exe", "kernel_test", filter.c_str(), "--gtest_also_run_disabled_tests", nullptr);
  _exit(102);
}

// Not a test: what look_after_exec() runs.
TEST(Pipes, DISABLED_ExitWithWhatIsKnown) {
  _exit(look_at_own_pipes());
}

TEST(Pipes, UnreadableProcessThatForkedThisOneMayHaveThem) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become nobody";
  EXPECT_EQ(look_as_nobody(true), 0) << "the test may have opened it, in the same program";
  EXPECT_EQ(look_as_nobody(false), 0);
}

TEST(Pipes, UnreadableProcessFromBeforeExecHasNothingOpenedSince) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to give up CAP_SYS_PTRACE";
  EXPECT_EQ(look_after_exec("Pipes.DISABLED_ExitWithWhatIsKnown"), 1)
      << "of the pair that it opened itself all is known, of the other it is not; the gap says so";
}

TEST(Pipes, ReopenedNumberIsNotTheSameFile) {
  auto [reader, writer] = make_pipe();
  const auto copy = kernel::Borrower(own_pid()).borrow(reader.get(), inode_of(reader.get()) + 1);
  ASSERT_FALSE(copy.ok());
  EXPECT_EQ(copy.error().kind, ErrorKind::inconsistent);
}

}  // namespace
}  // namespace hang::test
