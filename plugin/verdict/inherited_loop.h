// A loop that a forked child has on its stack, but does not run.
#pragma once

#include <cstdint>

#include "verdict/process.h"

namespace hang::verdict {

// After a fork the child has the parent's loop on its stack, but does not run it. Where the descriptors are not known,
// a loop that has handlers for signals but not the wakeup fd that these need was left that way by such a child; up to
// 3.11 the child keeps even that (3.12 resets it: gh-66285, Lib/asyncio/events.py).
inline bool may_be_inherited(const Process& process, const facts::LoopFacts& loop) {
  constexpr std::uint32_t kResetsAfterFork = 0x030c0000;
  const auto& python = process.python();
  return !process.facts().kernel.fds_known && !loop.signal_handlers.empty() &&
         (python.signals.wakeup_fd == -1 || python.hexversion < kResetsAfterFork);
}

}  // namespace hang::verdict
