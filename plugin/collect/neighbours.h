// The other processes that waits of this one lead to.
#pragma once

#include "facts/facts.h"

namespace hang::collect {

// Fills snapshot.kernel.neighbours: who holds the other end of what a thread or a loop of this process waits on, whose
// end it waits for, and the same for those, as far as 64 processes. Looks at each of them twice, some 50 ms apart, to
// tell a process that rests from one that works. Costs nothing where no wait leads to another process. Of a live
// process on this machine only.
void read_neighbours(facts::Snapshot& snapshot);

}  // namespace hang::collect
