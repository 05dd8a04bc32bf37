// CoreWriter: a core of a live process, which runs on meanwhile.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hang::core {

// Writes what the kernel's default core has (coredump_filter 0x33): anonymous memory, written-to pages of private file
// mappings, and the first page of each file, with notes of registers, auxiliary vector and file map. Registers are
// those that /proc tells of threads asleep in a system call; a running thread has none. Pages that were never touched
// are not read, and are holes. Nothing is stopped, so what runs is smeared over the time that it takes.
// Errors: `no_such_process`, `no_permission`, `io`.
Result<void> write_core(std::uint64_t pid, const std::string& path);

}  // namespace hang::core
