// Pipes and FIFOs: what is in them.
#pragma once

#include <optional>

#include "base/result.h"
#include "facts/facts.h"
#include "kernel/borrow.h"
#include "kernel/proc_file.h"

namespace hang::kernel {

struct PipeState {
  facts::PipeFacts facts;
  // Whether anybody at all has the other end of the fd that was asked, as the kernel sees it; absent if it was not
  // asked.
  std::optional<bool> has_readers, has_writers;
};

// Unread bytes and capacity of the pipe behind `fd` of the process `fds` (its fd directory) belongs to. The error says
// why they could not be had.
Result<PipeState> read_pipe(const Borrower& borrower, const ProcDir& fds, const facts::FdFacts& fd);

}  // namespace hang::kernel
