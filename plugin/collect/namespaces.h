// The numbers of threads and processes that a program in a pid namespace of its own (a container) knows, as those that
// /proc has for them here.
#pragma once

#include <cstdint>

#include "facts/facts.h"

namespace hang::collect {

// The thread that the process itself calls `tid`; `tid` where the two are the same, 0 if it has no such thread.
std::uint64_t thread_here(const facts::Snapshot& snapshot, std::uint64_t tid);

// Thread states and the main thread, as read from the process's memory.
void translate_threads(facts::Snapshot& snapshot);

// Children that Python's objects name.
void translate_children(facts::Snapshot& snapshot);

}  // namespace hang::collect
