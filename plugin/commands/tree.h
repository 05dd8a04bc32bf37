// Tree: the facts of the other processes that a hang runs through.
#pragma once

#include "commands/arguments.h"
#include "commands/commands.h"

namespace hang::commands {

// `hang classify --tree`: the process, those that its waits lead to, and the one to blame.
Output run_classify_tree(const Arguments& arguments, const Host& host);

// Of a live process: the other processes that its waits lead to, as far as `snapshot` tells.
std::vector<std::uint64_t> next_processes(const facts::Snapshot& snapshot);

}  // namespace hang::commands
