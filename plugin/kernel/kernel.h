// Kernel: what /proc and sock_diag say about a process, without stopping or touching it.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "facts/facts.h"

namespace hang::kernel {

// Process-wide facts and its threads (with the system call each is in). Errors: `no_such_process` (also for a zombie
// and for the id of a thread, saying so), `no_permission`. Appends gaps for single files that could not be read.
Result<void> read_process(std::uint64_t pid, facts::Snapshot& snapshot);

// One thread's state, system call, CPU time and switch counts, cheap enough to be asked again and again.
Result<facts::ThreadFacts> read_thread(std::uint64_t pid, std::uint64_t tid);

// The fd table with types; unix sockets with peers, queues and capacity (sock_diag); TCP/UDP; pipes with unread bytes
// and holders; epoll sets. Fills snapshot.kernel.fds and readings "fd.N.rqueue" (unix: rqueue of fd N),
// "fd.N.wmem_alloc", "fd.N.sndbuf", "fd.N.peer", "fd.N.eventfd_count". Errors: as read_process.
//
// Where the fd table of another process may not be read there is a gap. `holders_complete` is false then, unless the
// process is no relative (another session, no descendant) and the object was opened by this program itself (all its
// descriptors here are close-on-exec), or the kernel says that a pipe's other end is gone.
//
// peer_inode of a unix socket: 0 = it was connected and the other end was closed; absent = never connected or listening
// (see `state`), or not known. A client that was not accepted yet has the listening socket's inode there, because who
// holds that can act. rqueue of a datagram socket is the length of its first message only.
Result<void> read_fds(std::uint64_t pid, facts::Snapshot& snapshot);

// Another process: who it is, what its threads (the first 64) sleep in. What cannot be read is said in `why_unknown`; a
// process that is not there is an answer, not an error.
facts::NeighbourFacts read_neighbour(std::uint64_t pid);
// Then, once the waits of its threads are complete: those of its descriptors that they wait on, as read_fds does.
void read_neighbour_fds(facts::NeighbourFacts& neighbour);

// What x86-64 system call `number` (negative: none) with these arguments waits for. Fills kind, name, fd, futex, pid
// and the timeouts that are plain arguments (epoll_wait, poll: -1 or ms; a NULL timeout: -1). Timeouts behind a pointer
// are collect's business, because that needs the target's memory; those of read and recv (SO_RCVTIMEO) stay absent.
facts::Wait decode_syscall(std::int64_t number, const std::uint64_t (&args)[6]);

}  // namespace hang::kernel
