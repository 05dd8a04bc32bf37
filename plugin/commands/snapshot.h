// Snapshot: everything that is known of a process, kept for later: a folder, a file, or the sidecar of a core.
#pragma once

#include "commands/arguments.h"
#include "commands/commands.h"
#include "commands/table.h"

namespace hang::commands {

// `hang snapshot PID`
Output run_snapshot(const Command& command, const Arguments& arguments, const Host& host);

// `hang core-helper PID -o FILE`, called by the kernel (core_pattern) with the core on standard input.
Output run_core_helper(const Command& command, const Arguments& arguments, const Host& host);

}  // namespace hang::commands
