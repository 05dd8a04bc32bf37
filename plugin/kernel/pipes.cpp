#include "kernel/pipes.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

namespace hang::kernel {
namespace {

// Without pidfd_getfd: opens the pipe once more. Only for reading, and only where the target has a reading end
// already: a first reader would turn a writer's EPIPE into success, and a new writer would hide an end of file.
Result<UniqueFd> reopen(const ProcDir& fds, const facts::FdFacts& fd, const Error& refused) {
  if (!fd.readable || fd.writable) return refused;
  UniqueFd copy(openat(fds.fd(), fmt::format("{}", fd.fd).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!copy) return errno_error(errno, fmt::format("open the pipe of fd {}", fd.fd));
  struct stat status {};
  if (fstat(copy.get(), &status) != 0 || status.st_ino != fd.inode) {
    return Error{ErrorKind::inconsistent, fmt::format("fd {} was reopened", fd.fd)};
  }
  return copy;
}

}  // namespace

Result<facts::PipeFacts> read_pipe(const Borrower& borrower, const ProcDir& fds, const facts::FdFacts& fd) {
  auto copy = borrower.borrow(fd.fd, fd.inode);
  if (!copy && copy.error().kind != ErrorKind::inconsistent) copy = reopen(fds, fd, copy.error());
  if (!copy) return copy.error();
  facts::PipeFacts pipe;
  pipe.inode = fd.inode;
  int unread = 0;
  if (ioctl(copy->get(), FIONREAD, &unread) == 0 && unread >= 0) pipe.unread = static_cast<std::uint64_t>(unread);
  const int capacity = fcntl(copy->get(), F_GETPIPE_SZ);
  if (capacity >= 0) pipe.capacity = static_cast<std::uint64_t>(capacity);
  return pipe;
}

}  // namespace hang::kernel
