// The unix sockets of a process: sock_diag first, borrowed descriptors where that namespace may not be entered.
#pragma once

#include "facts/facts.h"
#include "kernel/borrow.h"
#include "kernel/proc_file.h"

namespace hang::kernel {

// Fills FdFacts::unix_socket of every fd of type unix_socket in snapshot.kernel.fds and adds their readings. What
// could not be had becomes a gap.
void read_unix_fds(const ProcDir& process, const Borrower& borrower, facts::Snapshot& snapshot);

}  // namespace hang::kernel
