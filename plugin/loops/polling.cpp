// Queues and channels between interpreters have no wait: get, put, recv and send look and sleep 10 ms, for ever
// (Lib/concurrent/interpreters/_queues.py of 3.14+, Lib/test/support/interpreters of 3.13).
#include <array>
#include <fmt/format.h>

#include "loops/frameworks.h"

namespace hang::loops {

using cpython::Python;

namespace {

struct Poller {
  std::string_view file, function, what;
  bool sends;
};
constexpr std::array<Poller, 6> kPollers{{{"interpreters/_queues.py", "Queue.get", "queue", false},
                                          {"interpreters/_queues.py", "Queue.put", "queue", true},
                                          {"interpreters/queues.py", "Queue.get", "queue", false},
                                          {"interpreters/queues.py", "Queue.put", "queue", true},
                                          {"interpreters/channels.py", "RecvChannel.recv", "channel", false},
                                          {"interpreters/channels.py", "SendChannel.send", "channel", true}}};

const Poller* poller_of(const facts::FrameFacts& frame) {
  for (const auto& poller : kPollers)
    if (frame.file.ends_with(poller.file) && frame.function == poller.function) return &poller;
  return nullptr;
}

facts::Polling read_one(Python& python, const facts::FrameFacts& frame, std::size_t index, const Poller& poller) {
  facts::Polling polling;
  polling.frame = index;
  polling.what = poller.what;
  polling.sends = poller.sends;
  const RemoteAddr at(frame.address);
  if (auto self = python.local(at, "self"))
    if (auto id = python.objects().attribute(*self, "_id"))
      if (auto number = python.objects().integer(*id)) polling.what += fmt::format(" {}", *number);
  if (auto timeout = python.local(at, "timeout")) polling.endless = python.objects().is_none(*timeout);
  return polling;
}

}  // namespace

void read_polling(Python& python, facts::Snapshot& snapshot) {
  constexpr std::size_t kInnermost = 3;  // the sleep is a call of the poller itself
  for (auto& state : snapshot.python->thread_states)
    for (std::size_t i = 0; i < std::min(state.frames.size(), kInnermost); ++i)
      if (const auto* poller = poller_of(state.frames[i])) {
        state.polling = read_one(python, state.frames[i], i, *poller);
        break;
      }
}

}  // namespace hang::loops
