// TCP, UDP and raw sockets of a process, from /proc/PID/net, which shows that process' own network namespace.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "facts/facts.h"
#include "kernel/proc_file.h"

namespace hang::kernel {

// Inode of the other end, for each fd whose other end is a socket of this network namespace.
using LocalPeers = std::unordered_map<int, std::uint64_t>;

// Completes FdFacts::inet of every fd of type inet_socket in snapshot.kernel.fds, whose protocol is filled already.
LocalPeers read_inet_fds(const ProcDir& process, facts::Snapshot& snapshot);

// "tcp6" for the kernel's name of a socket's protocol ("TCPv6"); "" if it is not an internet protocol.
const char* inet_protocol(std::string_view kernel_name);

}  // namespace hang::kernel
