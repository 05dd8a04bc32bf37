// OtherEnd: who could make a file descriptor ready, i.e. who holds the other end of it.
#pragma once

#include <string>
#include <vector>

#include "verdict/process.h"

namespace hang::verdict {

enum class End {
  unknown,        // not read
  gone,           // nobody holds it any more
  this_process,   // only this process does
  other_process,  // a local process does
  outside,        // the network, a bound socket that anyone may write to, a file watch
  listening,      // a server socket: whoever connects
  human,          // a terminal
  timer,          // an armed timerfd
  signal,         // a signalfd
  never,          // a descriptor that cannot become ready by itself (eventfd of this process, disarmed timerfd)
  ready,          // a regular file: always ready
};

struct OtherEnd {
  End end = End::unknown;
  std::vector<int> our_fds;            // this_process: the descriptors that are the other end
  std::vector<facts::Holder> holders;  // of other processes
  std::string words;                   // "unix socket, the other end is fd 8 of this process"
};

// `fd` of the snapshot's process; `for_reading` chooses the end that matters for a pipe.
OtherEnd other_end(const Process& process, int fd, bool for_reading = true);

}  // namespace hang::verdict
