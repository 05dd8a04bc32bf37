// Sidecar: what the kernel knew of a core's process, saved while the process was still there.
#pragma once

#include "facts/facts.h"
#include "target/target.h"

namespace hang::collect {

// Adds to the facts of a core what it cannot know: descriptors with their queues and peers, the process, and each
// thread's name, state, masks and CPU time. What the core says itself stays. A sidecar of another process is only
// recorded as a gap: pid, the threads, and where both have CPython its version and where its things lie must agree.
//
// A kernel's core of a process in a pid namespace has that namespace's numbers, the sidecar has ours too: process and
// threads then get ours, in `target` also. The thread states keep what they have for translate_threads().
void add_sidecar(const facts::Snapshot& sidecar, Target& target, facts::Snapshot& core);

}  // namespace hang::collect
