#include "kernel/borrow.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hang::kernel {

// The raw system calls, because glibc has wrappers only since 2.36.
Borrower::Borrower(std::uint64_t pid)
    : pidfd_(static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0))), error_(pidfd_ ? 0 : errno) {}

Result<UniqueFd> Borrower::borrow(int fd, std::uint64_t inode) const {
  if (!pidfd_) return errno_error(error_, "open a pidfd");
  UniqueFd copy(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd_.get(), fd, 0)));
  if (!copy) return errno_error(errno, fmt::format("duplicate fd {}", fd));
  struct stat status {};
  if (fstat(copy.get(), &status) != 0) return errno_error(errno, fmt::format("stat fd {}", fd));
  if (status.st_ino != inode) return Error{ErrorKind::inconsistent, fmt::format("fd {} was reopened", fd)};
  return copy;
}

}  // namespace hang::kernel
