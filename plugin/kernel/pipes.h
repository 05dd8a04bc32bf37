// Pipes and FIFOs: what is in them.
#pragma once

#include "base/result.h"
#include "facts/facts.h"
#include "kernel/borrow.h"
#include "kernel/proc_file.h"

namespace hang::kernel {

// Unread bytes and capacity of the pipe behind `fd` of the process `fds` (its fd directory) belongs to. The error says
// why they could not be had.
Result<facts::PipeFacts> read_pipe(const Borrower& borrower, const ProcDir& fds, const facts::FdFacts& fd);

}  // namespace hang::kernel
