// Core registers: what NT_PRSTATUS notes say that LLDB's register sets leave out (orig_rax, the system call's number).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "target/target.h"

namespace hang::lldb_host {

// Registers of the threads in the x86-64 Linux core `path`, by thread id. Errors: `io` for a file that cannot be read
// or is no such core.
Result<std::map<std::uint64_t, ThreadRegisters>> read_core_registers(const std::string& path);

}  // namespace hang::lldb_host
