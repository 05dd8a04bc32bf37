#include "kernel/pipes.h"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
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

Result<PipeState> read_pipe(const Borrower& borrower, const ProcDir& fds, const facts::FdFacts& fd) {
  auto copy = borrower.borrow(fd.fd, fd.inode);
  if (!copy && copy.error().kind != ErrorKind::inconsistent) copy = reopen(fds, fd, copy.error());
  if (!copy) return copy.error();
  PipeState pipe;
  pipe.facts.inode = fd.inode;
  int unread = 0;
  if (ioctl(copy->get(), FIONREAD, &unread) == 0 && unread >= 0) pipe.facts.unread = static_cast<std::uint64_t>(unread);
  const int capacity = fcntl(copy->get(), F_GETPIPE_SZ);
  if (capacity >= 0) pipe.facts.capacity = static_cast<std::uint64_t>(capacity);
  // pipe_poll(): POLLHUP at the reading end = no writers (a FIFO: and there was one), POLLERR at the writing end = no
  // readers. It asks for no event, so nothing waits.
  pollfd events{copy->get(), 0, 0};
  if (fd.readable != fd.writable && poll(&events, 1, 0) >= 0) {
    if (fd.readable) pipe.has_writers = (events.revents & POLLHUP) == 0;
    if (fd.writable) pipe.has_readers = (events.revents & POLLERR) == 0;
  }
  return pipe;
}

}  // namespace hang::kernel
