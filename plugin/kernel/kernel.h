// Kernel: what /proc and sock_diag say about a process, without stopping or touching it.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "facts/facts.h"

namespace hang::kernel {

// Process-wide facts and its threads (with the system call each is in). Errors: `no_such_process` (also for a zombie,
// saying so), `no_permission`. Appends gaps for single files that could not be read.
Result<void> read_process(std::uint64_t pid, facts::Snapshot& snapshot);

// One thread's state, system call, CPU time and switch counts, cheap enough to be asked again and again.
Result<facts::ThreadFacts> read_thread(std::uint64_t pid, std::uint64_t tid);

// The fd table with types; unix sockets with peers, queues and capacity (sock_diag); TCP/UDP; pipes with unread bytes
// and holders; epoll sets. Fills snapshot.kernel.fds and readings "fd.N.rqueue" (unix: rqueue of fd N),
// "fd.N.wmem_alloc", "fd.N.sndbuf", "fd.N.peer". Gaps where another process' fd table may not be read.
Result<void> read_fds(std::uint64_t pid, facts::Snapshot& snapshot);

// Name of an x86-64 system call ("epoll_wait"), "" if not in the table; and what it waits for. Fills kind, name, fd,
// futex, pid and the timeouts that are plain arguments (epoll_wait, poll: -1 or ms). Timeouts behind a pointer are
// collect's business, because that needs the target's memory.
facts::Wait decode_syscall(std::int64_t number, const std::uint64_t (&args)[6]);

}  // namespace hang::kernel
