// WriteTrap: whether a thread writes to a word of its memory, by a hardware breakpoint that the kernel sets for it
// (perf_event_open). The thread is not stopped, and the first write disarms the trap, so that it costs one exception.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace hang::kernel {

class WriteTrap {
 public:
  // Armed at once, for eight aligned bytes. Errors: `no_permission` (see IpSampler), `no_such_process`, `io` (no such
  // breakpoints, as in some virtual machines, or all in use).
  static Result<WriteTrap> start(std::uint64_t tid, std::uint64_t address);
  WriteTrap(WriteTrap&& other) noexcept;
  WriteTrap& operator=(WriteTrap&& other) noexcept;
  WriteTrap(const WriteTrap&) = delete;
  WriteTrap& operator=(const WriteTrap&) = delete;
  ~WriteTrap();

  // True once the thread has written there, be it the value that was there before.
  [[nodiscard]] bool sprung() const;

 private:
  explicit WriteTrap(int fd) : fd_(fd) {}

  int fd_ = -1;
};

}  // namespace hang::kernel
