#include "kernel/write_trap.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace hang::kernel {
namespace {

Error failure(std::uint64_t tid, const char* call) {
  const int error = errno;
  const ErrorKind kind = error == EPERM || error == EACCES ? ErrorKind::no_permission
                         : error == ESRCH                  ? ErrorKind::no_such_process
                                                           : ErrorKind::io;
  return Error{kind, fmt::format("cannot watch what thread {} writes: {}: {}", tid, call, std::strerror(error))};
}

}  // namespace

Result<WriteTrap> WriteTrap::start(std::uint64_t tid, std::uint64_t address) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_BREAKPOINT;
  attributes.bp_type = HW_BREAKPOINT_W;
  attributes.bp_addr = address;
  attributes.bp_len = HW_BREAKPOINT_LEN_8;
  attributes.sample_period = 1;
  attributes.disabled = 1;
  attributes.exclude_kernel = 1;  // allowed to everybody for his own threads up to perf_event_paranoid 2
  attributes.exclude_hv = 1;
  const int fd = static_cast<int>(
      syscall(SYS_perf_event_open, &attributes, static_cast<pid_t>(tid), -1, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) return failure(tid, "perf_event_open");
  WriteTrap trap(fd);
  // One overflow, and the kernel disables it (perf_event_open(2), PERF_EVENT_IOC_REFRESH).
  if (ioctl(fd, PERF_EVENT_IOC_REFRESH, 1) != 0) return failure(tid, "PERF_EVENT_IOC_REFRESH");
  return trap;
}

WriteTrap::WriteTrap(WriteTrap&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

WriteTrap& WriteTrap::operator=(WriteTrap&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

WriteTrap::~WriteTrap() {
  if (fd_ >= 0) ::close(fd_);
}

bool WriteTrap::sprung() const {
  std::uint64_t writes = 0;
  return fd_ >= 0 && ::read(fd_, &writes, sizeof writes) == sizeof writes && writes > 0;
}

}  // namespace hang::kernel
