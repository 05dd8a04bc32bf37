#include "kernel/pipes.h"

#include <gmock/gmock.h>
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

TEST(Pipes, LastWriterGone) {
  auto [reader, writer] = make_pipe();
  writer = UniqueFd();
  const Snapshot snapshot = fds_of(own_pid());
  const auto facts = fact(snapshot, reader.get());
  ASSERT_TRUE(facts.pipe.has_value());
  EXPECT_THAT(facts.pipe->writers, IsEmpty());
  // "Nobody" is only as good as the search was: either every table was read or a gap says which was not.
  const auto about_holders = [](const facts::Gap& gap) { return gap.what.starts_with("who else holds"); };
  const bool gap = std::any_of(snapshot.gaps.begin(), snapshot.gaps.end(), about_holders);
  EXPECT_NE(facts.pipe->holders_complete, gap);
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
  EXPECT_EQ(readable->unread, 5U);
  fd.fd = writer.get();
  fd.writable = true;
  fd.readable = false;
  EXPECT_FALSE(kernel::read_pipe(powerless, *fds, fd).ok());
}

TEST(Pipes, ReopenedNumberIsNotTheSameFile) {
  auto [reader, writer] = make_pipe();
  const auto copy = kernel::Borrower(own_pid()).borrow(reader.get(), inode_of(reader.get()) + 1);
  ASSERT_FALSE(copy.ok());
  EXPECT_EQ(copy.error().kind, ErrorKind::inconsistent);
}

}  // namespace
}  // namespace hang::test
