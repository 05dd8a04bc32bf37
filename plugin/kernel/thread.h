// One thread as the kernel sees it, for readers that hold its /proc directory already.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "facts/facts.h"
#include "kernel/proc_file.h"

namespace hang::kernel {

// Reads status, syscall and CPU time of the thread whose directory is `thread`. A system call that may not be seen is
// WaitKind::unknown; `syscall_refused` then says why. Errors: as ProcDir::read of "status".
Result<facts::ThreadFacts> read_thread(const ProcDir& thread, std::uint64_t tid, std::string& scratch,
                                       std::string* syscall_refused);

// Undoes the escaping of Name in /proc/PID/status (string_escape_str with "\n\\": fs/proc/array.c).
std::string unescape_comm(std::string_view text);

}  // namespace hang::kernel
