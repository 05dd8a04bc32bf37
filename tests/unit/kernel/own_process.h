// Kernel objects of the test process itself, and children that hold some of them.
#pragma once

#include <cstdint>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "facts/facts.h"
#include "kernel/kernel.h"
#include "kernel/proc_file.h"

namespace hang::test {

using kernel::UniqueFd;

inline std::uint64_t own_pid() {
  return static_cast<std::uint64_t>(getpid());
}

inline std::uint64_t inode_of(int fd) {
  struct stat status {};
  EXPECT_EQ(fstat(fd, &status), 0);
  return status.st_ino;
}

inline std::pair<UniqueFd, UniqueFd> make_pipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

inline facts::Snapshot fds_of(std::uint64_t pid) {
  facts::Snapshot snapshot;
  const auto done = kernel::read_fds(pid, snapshot);
  EXPECT_TRUE(done.ok()) << done.error().describe();
  EXPECT_TRUE(snapshot.kernel.fds_known);
  return snapshot;
}

// The facts of `fd`; a failure and empty facts if it is not in the table.
inline facts::FdFacts fact(const facts::Snapshot& snapshot, int fd) {
  const auto* found = snapshot.fd(fd);
  EXPECT_NE(found, nullptr) << "fd " << fd << " is not in the table";
  return found ? *found : facts::FdFacts{};
}

// A forked child that runs `body` and then waits to be killed. The constructor returns when `body` is done; the
// destructor kills and reaps the child.
class Child {
 public:
  template <typename Body>
  explicit Child(Body body) {
    auto [reader, writer] = make_pipe();
    pid_ = fork();
    if (pid_ == 0) {
      body();
      const char ready = 1;
      if (write(writer.get(), &ready, 1) != 1) _exit(1);
      while (true) pause();
    }
    writer = UniqueFd();
    char ready = 0;
    EXPECT_EQ(read(reader.get(), &ready, 1), 1) << "the child ended early";
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] std::uint64_t pid() const { return static_cast<std::uint64_t>(pid_); }

 private:
  pid_t pid_ = -1;
};

}  // namespace hang::test
