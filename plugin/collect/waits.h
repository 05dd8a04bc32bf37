// What a system call's pointer arguments say about the wait: deadlines, and the files of poll and select.
#pragma once

#include "facts/facts.h"
#include "target/target.h"

namespace hang::collect {

// Completes a decoded wait from the target's memory: timeout_ms, fds (poll, select) and futex (futex_waitv). What
// cannot be read stays absent, or as it was. Absolute deadlines give what is left of them on a live local target, and
// nothing on a core; relative timeouts are given in full, because when the wait began is not recorded.
void complete_wait(Target& target, facts::Wait& wait);

// The same for the waits of all threads, reading what most of them need at once.
void complete_waits(Target& target, std::vector<facts::ThreadFacts>& threads);

}  // namespace hang::collect
