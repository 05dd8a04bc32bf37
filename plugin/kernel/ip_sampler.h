// IpSampler: where in user space a running thread is, a thousand times a second of its CPU time, by perf_event_open.
// The thread is not stopped: the kernel notes its instruction pointer from a timer interrupt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"

namespace hang::kernel {

class IpSampler {
 public:
  // Starts at once. Errors: `no_permission` (kernel.perf_event_paranoid above 2, another user's thread, a seccomp
  // filter), `no_such_process`, `io`.
  static Result<IpSampler> start(std::uint64_t tid);
  IpSampler(IpSampler&& other) noexcept;
  IpSampler& operator=(IpSampler&& other) noexcept;
  IpSampler(const IpSampler&) = delete;
  IpSampler& operator=(const IpSampler&) = delete;
  ~IpSampler();

  // Ends sampling. The addresses seen, in order; empty if the thread did not run in user space.
  std::vector<std::uint64_t> stop();

 private:
  IpSampler(int fd, std::byte* ring) : fd_(fd), ring_(ring) {}
  void close();

  int fd_ = -1;
  std::byte* ring_ = nullptr;  // the header page, and the samples after it
};

}  // namespace hang::kernel
