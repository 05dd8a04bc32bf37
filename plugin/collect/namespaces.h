// The numbers of threads and processes that a program in a pid namespace of its own (a container) knows, as those that
// /proc has for them here.
#pragma once

#include <cstdint>

#include "facts/facts.h"
#include "target/target.h"

namespace hang::collect {

// The thread that the process itself calls `tid`; `tid` where the two are the same, 0 if it has no such thread.
std::uint64_t thread_here(const facts::Snapshot& snapshot, std::uint64_t tid);

// What the threads of a core call themselves, if they have other numbers in it: a debugger outside the namespace wrote
// it. By pthread_self(), which the registers and the thread states both have. Nothing where it is known already.
void number_threads(Target& target, facts::Snapshot& snapshot);

// Thread states and the main thread, as read from the process's memory.
void translate_threads(facts::Snapshot& snapshot);

// Children that Python's objects name.
void translate_children(facts::Snapshot& snapshot);

}  // namespace hang::collect
