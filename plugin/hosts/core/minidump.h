// Minidump: the cores that LLDB writes on Linux (`process save-core`), in the terms of an ELF core.
#pragma once

#include <vector>

#include "base/result.h"
#include "hosts/core/core_file.h"
#include "hosts/core/file_bytes.h"

namespace hang::core {

bool is_minidump(const FileBytes& file);

// Fills `segments` (unsorted) and `notes` from the streams. A minidump has no system call numbers: registers are
// program counter and stack pointer, with the arguments for whoever can tell the number. Errors: `io`, of another
// machine, or cut off before its list of streams ends; `message` lacks the path.
Result<void> read_minidump(const FileBytes& file, std::vector<CoreSegment>& segments, CoreNotes& notes);

}  // namespace hang::core
