// ChannelFate: whether anybody could still send, or take, what a channel inside the process is waited on for.
#pragma once

#include <string>
#include <vector>

#include "verdict/process.h"

namespace hang::verdict {

enum class Fate {
  orphaned,  // somebody waits, and nobody else leads to the other end
  unread,    // it has items, and nobody that was found takes any
  in_doubt,  // the same as orphaned, but not everything was followed, or another process has the other end
  open       // somebody could act, or nobody waits
};

struct ChannelFate {
  Fate fate = Fate::open;
  std::string why;  // in words; "" for one that nobody waits on
};

// A pure function of the facts; `channel` is one of process.python().channels.
ChannelFate fate_of(const Process& process, const facts::ChannelFacts& channel);

// "task consumer", "thread 12 \"feeder\"".
std::string user_label(const Process& process, const facts::ChannelUser& user);
// "trio memory channel", "queue.Queue", "multiprocessing queue (fds 3, 4)", "queue 1 between interpreters".
std::string channel_label(const facts::ChannelFacts& channel);

}  // namespace hang::verdict
