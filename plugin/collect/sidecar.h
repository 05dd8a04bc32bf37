// Sidecar: what the kernel knew of a core's process, saved while the process was still there.
#pragma once

#include "facts/facts.h"

namespace hang::collect {

// Adds to the facts of a core what it cannot know: descriptors with their queues and peers, the process, and each
// thread's name, state, masks and CPU time. What the core says itself stays. A sidecar of another process is only
// recorded as a gap.
void add_sidecar(const facts::Snapshot& sidecar, facts::Snapshot& core);

}  // namespace hang::collect
