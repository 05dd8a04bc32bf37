// SignalPath: would Ctrl-C get through? The steps of the table in docs/shapes, each with its evidence.
#pragma once

#include "verdict/process.h"
#include "verdict/verdict.h"
#include "verdict/wait_graph.h"

namespace hang::verdict {

CtrlC walk_signal_path(const Process& process, const WaitGraph& graph);

// How the wakeup fd stands: owner, unread bytes, room. Shared by the walk and by `hang signals`.
struct WakeupState {
  bool set = false;  // a wakeup fd is set
  int fd = -1;
  std::optional<int> reader_fd;         // in this process
  std::optional<std::uint64_t> unread;  // bytes that the reader has not drained
  std::optional<bool> full;             // one more byte would be dropped (EAGAIN)
  std::optional<std::uint64_t> room;    // one-byte writes that still fit, for a unix socket
  std::string words;                    // "6 of 6 bytes unread in fd 36"
};
WakeupState wakeup_state(const facts::Snapshot& snapshot);

// SIGINT's handler is the one of asyncio's add_signal_handler, which does nothing: only the byte makes the loop act.
bool acts_on_the_byte(const facts::SignalFacts& signals);
// Why a SIGINT's byte does not reach the main thread's loop, which acts on nothing else (asyncio's add_signal_handler);
// "" if it does, or if the loop does not depend on it, or if that was not read.
std::string misrouted(const Process& process);

}  // namespace hang::verdict
