#include "verdict/channel_fate.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "verdict/other_end.h"
#include "verdict/wait_graph.h"

namespace hang::verdict {

using facts::ChannelFacts;
using facts::ChannelKind;
using facts::ChannelUser;

namespace {

bool is_full(const ChannelFacts& channel) {
  return channel.limit && *channel.limit > 0 && channel.items && *channel.items >= *channel.limit;
}

// Other processes that have the other end of a pipe or socket that the channel is made of.
std::vector<std::uint64_t> others_at(const Process& process, const ChannelFacts& channel) {
  std::vector<std::uint64_t> pids;
  for (const int fd : channel.fds)
    for (const auto& holder : other_end(process, fd).holders)
      if (std::find(pids.begin(), pids.end(), holder.pid) == pids.end()) pids.push_back(holder.pid);
  return pids;
}

std::string waiters_words(const Process& process, const std::vector<const ChannelUser*>& waiters) {
  std::vector<std::string> names;
  constexpr std::size_t kMost = 3;
  for (std::size_t i = 0; i < std::min(waiters.size(), kMost); ++i) names.push_back(user_label(process, *waiters[i]));
  auto words = fmt::format("{}", fmt::join(names, ", "));
  if (waiters.size() > kMost) words += fmt::format(" and {} more", waiters.size() - kMost);
  return words + (waiters.size() == 1 ? " waits" : " wait");
}

// Of a memory channel, ends that are open though nobody has them any more.
std::string forgotten(const ChannelFacts& channel, bool sending) {
  const auto open = sending ? channel.open_senders : channel.open_receivers;
  if (!open || *open == 0) return {};
  return fmt::format("; {} {} end{} {} never closed", *open, sending ? "sending" : "receiving", *open == 1 ? "" : "s",
                     *open == 1 ? "was" : "were");
}

ChannelFate waited(const Process& process, const ChannelFacts& channel, const std::vector<const ChannelUser*>& waiters,
                   bool for_items) {
  ChannelFate fate;
  const auto could = [&](const ChannelUser& user) {
    const bool waits_too = for_items ? user.waits_to_receive : user.waits_to_send;
    return !waits_too && (for_items ? user.sends : user.receives);
  };
  fate.why = fmt::format("{} for {}", waiters_words(process, waiters), for_items ? "an item" : "room");
  std::vector<std::string> able;
  for (const auto& user : channel.users)
    if (could(user) && able.size() < 3) able.push_back(user_label(process, user));
  if (!able.empty()) {
    fate.why += fmt::format("; could {}: {}", for_items ? "send" : "take", fmt::join(able, ", "));
    return fate;
  }
  if (const auto others = others_at(process, channel); !others.empty()) {
    fate.fate = Fate::in_doubt;
    fate.why += fmt::format("; the other end is open in process {}", fmt::join(others, ", "));
    return fate;
  }
  fate.fate = channel.searched ? Fate::orphaned : Fate::in_doubt;
  fate.why += fmt::format(", and nobody else {} leads to an end that {}{}",
                          channel.searched ? "among tasks and threads" : "that was found",
                          for_items ? "sends" : "takes", forgotten(channel, for_items));
  return fate;
}

}  // namespace

namespace {

// A pool's worker without work waits for jobs in the pool's own queue, and that is no fault.
bool is_idle_worker(const Process& process, const ChannelUser& user) {
  const auto* state = process.facts().thread_state(user.tstate);
  return user.task == 0 && state != nullptr && is_idle_pool_worker(*state);
}

}  // namespace

std::string user_label(const Process& process, const ChannelUser& user) {
  const auto* state = process.facts().thread_state(user.tstate);
  if (user.task != 0)
    for (const auto* loops : {&process.python().loops, &process.python().other_loops})
      for (const auto& loop : *loops)
        for (const auto& task : loop.tasks)
          if (task.object == user.task) return "task " + task.name;
  if (state == nullptr) return "a thread";
  const auto label = process.thread_label(state->tid);
  return state->interpreter == 0 ? label : fmt::format("{} (interpreter {})", label, state->interpreter);
}

std::string channel_label(const ChannelFacts& channel) {
  const auto fds = channel.fds.empty()
                       ? std::string()
                       : fmt::format(" (fd{} {})", channel.fds.size() == 1 ? "" : "s", fmt::join(channel.fds, ", "));
  switch (channel.kind) {
    case ChannelKind::memory_channel:
      return (channel.type.starts_with("trio") ? "trio memory channel at " : "anyio memory stream at ") +
             RemoteAddr(channel.object).hex();
    case ChannelKind::interpreter_queue:
      return channel.id ? fmt::format("queue {} between interpreters", *channel.id) : "queue between interpreters";
    case ChannelKind::interpreter_channel:
      return channel.id ? fmt::format("channel {} between interpreters", *channel.id) : "channel between interpreters";
    default: break;
  }
  // "asyncio.queues.Queue" is what people call asyncio.Queue.
  auto type = channel.type;
  for (const char* module : {"asyncio.queues.", "multiprocessing.queues.", "multiprocessing.connection.", "_queue."}) {
    const std::string prefix(module);
    if (!type.starts_with(prefix)) continue;
    const auto package = prefix == "_queue." ? std::string("queue") : prefix.substr(0, prefix.find('.'));
    type = package + "." + type.substr(prefix.size());
  }
  return fmt::format("{} at {}{}", type, RemoteAddr(channel.object).hex(), fds);
}

ChannelFate fate_of(const Process& process, const ChannelFacts& channel) {
  std::vector<const ChannelUser*> takers, senders;
  bool taken = false, pool = false;
  for (const auto& user : channel.users) {
    const bool idle = user.waits_to_receive && is_idle_worker(process, user);
    pool = pool || idle;
    if (user.waits_to_receive && !idle) takers.push_back(&user);
    if (user.waits_to_send) senders.push_back(&user);
    taken = taken || user.receives || user.waits_to_receive;
  }
  if (pool && takers.empty()) return {Fate::open, "idle workers of a pool wait for jobs in it"};
  if (!takers.empty() && channel.items.value_or(0) == 0) return waited(process, channel, takers, true);
  // A memory channel without a buffer hands over from hand to hand.
  const bool rendezvous = channel.kind == ChannelKind::memory_channel && channel.limit == 0;
  if (!senders.empty() && (is_full(channel) || rendezvous || !channel.items))
    return waited(process, channel, senders, false);
  if (channel.items.value_or(0) > 0 && !taken && others_at(process, channel).empty())
    return {Fate::unread,
            fmt::format("nobody that was found takes what is in it{}", channel.searched ? "" : " so far")};
  return {};
}

}  // namespace hang::verdict
