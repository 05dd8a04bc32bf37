// What native code waits for: stacks of sleeping threads, and the owners of the locks that they sleep on.
#pragma once

#include "facts/facts.h"
#include "target/target.h"

namespace hang::collect {

// Fills native_frames of the threads whose native stack can decide something (a holder of a GIL that sleeps, those that
// wait for that GIL, a main thread that sleeps on a lock) and native_locks. Costs nothing in a process without such
// threads. Needs complete waits and Python's facts.
void read_native_waits(Target& target, facts::Snapshot& snapshot);

}  // namespace hang::collect
