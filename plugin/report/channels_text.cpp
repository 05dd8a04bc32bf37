#include "report/channels_text.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "facts/names.h"
#include "report/paint.h"
#include "verdict/channel_fate.h"
#include "verdict/other_end.h"
#include "verdict/wait_graph.h"

namespace hang::report {

using facts::ChannelFacts;
using verdict::End;
using verdict::Fate;
using verdict::Process;
using verdict::WaitGraph;

namespace {

std::string queue_words(const facts::FdFacts& fd) {
  if (fd.unix_socket) {
    const auto& u = *fd.unix_socket;
    std::string words = u.rqueue ? fmt::format("{} unread", *u.rqueue) : "?";
    if (u.wmem_alloc && u.sndbuf && *u.wmem_alloc >= *u.sndbuf) words += ", send queue full";
    if (u.shutdown.value_or(0) != 0) words += fmt::format(", shutdown {}", *u.shutdown);
    return words;
  }
  if (fd.inet) return fmt::format("{} unread, {} unsent, {}", fd.inet->rqueue, fd.inet->wqueue, fd.inet->state);
  if (fd.pipe)
    return fd.pipe->unread ? fmt::format("{} of {} bytes", *fd.pipe->unread, fd.pipe->capacity.value_or(0)) : "?";
  return "-";
}

// A line, with a mark before it where something is wrong.
std::string marked(bool bad, const std::string& text, const Style& style) {
  auto lines = fill(text, style.width, 2, 4);
  if (bad) lines.replace(0, 1, "!");
  return lines;
}

// --- descriptors -----------------------------------------------------------------------------------------------

class Descriptors {
 public:
  explicit Descriptors(const facts::Snapshot& snapshot)
      : snapshot_(snapshot), process_(snapshot), graph_(process_, gil_grips(process_)) {}

  [[nodiscard]] std::string text(const Style& style, const Paint& paint) const;

 private:
  struct Row {
    int rank = 0;  // lower comes first: what nobody can ever make ready, then what only this process can
    std::string words, why;
  };
  [[nodiscard]] std::string role_of(const facts::FdFacts& fd) const;
  [[nodiscard]] std::vector<std::uint64_t> waiting_on(int fd) const;
  [[nodiscard]] std::string owner_of(int fd) const;
  [[nodiscard]] Row row_of(const facts::FdFacts& fd) const;
  [[nodiscard]] std::string why_orphaned(const facts::FdFacts& fd, const verdict::OtherEnd& end) const;
  [[nodiscard]] std::string why_unread(const facts::FdFacts& fd, const verdict::OtherEnd& end) const;

  const facts::Snapshot& snapshot_;
  Process process_;
  WaitGraph graph_;
};

std::string Descriptors::role_of(const facts::FdFacts& fd) const {
  std::string role;
  for (const auto& loop : snapshot_.python->loops)
    if (std::find(loop.own_fds.begin(), loop.own_fds.end(), fd.fd) != loop.own_fds.end())
      role = fmt::format("the {} loop's own wakeup pair", name_of(loop.kind));
  if (snapshot_.python->signals.wakeup_fd == fd.fd) role += role.empty() ? "signal wakeup fd" : ", signal wakeup fd";
  return role;
}

// The object of Python that has it, and who has that. A descriptor without one stays open until the process ends.
std::string Descriptors::owner_of(int fd) const {
  const auto& python = *snapshot_.python;
  std::vector<std::string> owners;
  const auto add = [&](std::string words) {
    if (std::find(owners.begin(), owners.end(), words) == owners.end()) owners.push_back(std::move(words));
  };
  for (const auto& owner : python.fd_owners) {
    if (owner.fd != fd) continue;
    if (owner.tstate != 0) {
      add(fmt::format("{} of {}", owner.type,
                      verdict::user_label(process_, {owner.tstate, owner.task, false, false, false, false})));
      continue;
    }
    const bool runs = std::any_of(python.thread_states.begin(), python.thread_states.end(), [&](const auto& state) {
      return state.interpreter == owner.interpreter && !state.frames.empty();
    });
    add(fmt::format("{} in the main module of interpreter {}{}", owner.type, owner.interpreter,
                    runs ? "" : ", in which no thread runs"));
  }
  if (!owners.empty()) return fmt::format("{}", fmt::join(owners, ", "));
  constexpr int kLastStandard = 2;
  return python.fd_owners_complete && fd > kLastStandard ? "no object of Python was found that has it" : "";
}

// Threads whose wait it could end.
std::vector<std::uint64_t> Descriptors::waiting_on(int fd) const {
  std::vector<std::uint64_t> tids;
  for (const auto& thread : snapshot_.threads)
    for (const auto& on : graph_.waiting(thread.tid).on)
      if (on.fd == fd && (tids.empty() || tids.back() != thread.tid)) tids.push_back(thread.tid);
  return tids;
}

std::string Descriptors::why_orphaned(const facts::FdFacts& fd, const verdict::OtherEnd& end) const {
  const auto waiting = waiting_on(fd.fd);
  if (waiting.empty()) return {};
  const auto who = process_.thread_label(waiting.front());
  if (end.end == End::gone) return fmt::format("orphaned: {} waits for it, and nobody has the other end any more", who);
  if (end.end != End::this_process) return {};
  for (const auto& loop : snapshot_.python->other_loops)
    if (loop.tid == waiting.front())
      return fmt::format("{} waits for it, in a {}, which may have both ends for itself", who, loop.type);
  for (const auto tid : graph_.alive_besides(waiting.front()))
    return fmt::format("{} waits for it; only this process has the other end, where {} could use it", who,
                       process_.thread_label(tid));
  std::string others;
  for (const int other : end.our_fds)
    if (const auto owner = owner_of(other); !owner.empty()) others += fmt::format(" (fd {}: {})", other, owner);
  return fmt::format("orphaned: {} waits for it; only this process has the other end{}, and every other thread sleeps",
                     who, others);
}

// Bytes that lie there, and nobody who waits to read them.
std::string Descriptors::why_unread(const facts::FdFacts& fd, const verdict::OtherEnd& end) const {
  const auto bytes = fd.unix_socket           ? fd.unix_socket->rqueue
                     : fd.inet                ? std::optional<std::uint64_t>(fd.inet->rqueue)
                     : fd.pipe && fd.readable ? fd.pipe->unread
                                              : std::nullopt;
  if (bytes.value_or(0) == 0 || !waiting_on(fd.fd).empty()) return {};
  std::string why = fmt::format("{} byte{} unread: no thread waits to read", *bytes, *bytes == 1 ? "" : "s");
  for (const int other : end.our_fds)
    if (const auto waiting = waiting_on(other); !waiting.empty())
      why += fmt::format("; {} waits at the other end, fd {}", process_.thread_label(waiting.front()), other);
  return why;
}

Descriptors::Row Descriptors::row_of(const facts::FdFacts& fd) const {
  const auto end = verdict::other_end(process_, fd.fd, fd.readable);
  std::vector<int> watchers;
  for (const auto& set : snapshot_.kernel.fds)
    for (const auto& entry : set.epoll)
      if (entry.fd == fd.fd) watchers.push_back(set.fd);
  Row row;
  row.words = fmt::format("fd {} · {}", fd.fd, queue_words(fd));
  if (!watchers.empty()) row.words += fmt::format(" · in epoll set {}", fmt::join(watchers, ", "));
  row.words += " · " + end.words;
  if (const auto role = role_of(fd); !role.empty()) {
    row.words += " · " + role;
    row.rank = 5;
    return row;
  }
  if (const auto owner = owner_of(fd.fd); !owner.empty()) row.words += " · " + owner;
  row.why = why_orphaned(fd, end);
  const auto unread = why_unread(fd, end);
  if (!unread.empty()) row.why += (row.why.empty() ? "" : "; ") + unread;
  row.rank = row.why.starts_with("orphaned") ? 0
             : !unread.empty()               ? 1
             : !row.why.empty()              ? 2
             : end.end == End::gone          ? 3
                                             : 4;
  return row;
}

std::string Descriptors::text(const Style& style, const Paint& paint) const {
  std::string out = paint.bold("Descriptors") + "\n";
  if (!snapshot_.kernel.fds_known) return out + "  not known: a core has no descriptor table\n";
  std::vector<Row> rows;
  for (const auto& fd : snapshot_.kernel.fds)
    if (fd.unix_socket || fd.inet || fd.pipe) rows.push_back(row_of(fd));
  if (rows.empty()) return out + "  no pipes or sockets are open\n";
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.rank < b.rank; });
  for (const auto& row : rows) {
    out += marked(row.rank <= 1, printable(row.words), style) + "\n";
    if (!row.why.empty()) out += fill(printable(row.why), style.width, 6) + "\n";
  }
  return out;
}

// --- objects ---------------------------------------------------------------------------------------------------

int rank_of(Fate fate) {
  switch (fate) {
    case Fate::orphaned: return 0;
    case Fate::in_doubt: return 1;
    case Fate::unread: return 2;
    case Fate::open: return 3;
  }
  return 3;
}

std::string state_words(const ChannelFacts& channel) {
  std::string words;
  if (channel.items)
    words = channel.limit.value_or(0) > 0 ? fmt::format(" · {} of {} items", *channel.items, *channel.limit)
            : *channel.items == 0         ? " · empty"
                                  : fmt::format(" · {} item{}", *channel.items, *channel.items == 1 ? "" : "s");
  if (channel.open_senders && channel.open_receivers)
    words += fmt::format(" · {} sending, {} receiving end{} open", *channel.open_senders, *channel.open_receivers,
                         *channel.open_receivers == 1 ? "" : "s");
  if (channel.id && !channel.interpreters.empty())
    words += fmt::format(" · known to interpreter{} {}", channel.interpreters.size() == 1 ? "" : "s",
                         fmt::join(channel.interpreters, ", "));
  return words + (channel.closed == true ? " · closed" : "");
}

std::string users_words(const Process& process, const ChannelFacts& channel) {
  constexpr std::size_t kMost = 6;
  std::vector<std::string> words;
  for (const auto& user : channel.users) {
    const char* does = user.waits_to_receive         ? "waits to receive"
                       : user.waits_to_send          ? "waits to send"
                       : user.sends && user.receives ? "sends and receives"
                       : user.sends                  ? "sends"
                       : user.receives               ? "receives"
                                                     : "has it";
    if (words.size() < kMost) words.push_back(fmt::format("{} ({})", verdict::user_label(process, user), does));
  }
  if (channel.users.size() > kMost) words.push_back(fmt::format("{} more", channel.users.size() - kMost));
  return words.empty() ? "" : fmt::format("used by {}", fmt::join(words, ", "));
}

std::string objects_text(const facts::Snapshot& snapshot, const Style& style, const Paint& paint) {
  std::string out = paint.bold("Channels of Python") + "\n";
  const auto& python = *snapshot.python;
  if (!python.channels_known) return out + "  not read: they are not in these facts\n";
  if (python.channels.empty()) return out + "  none that the frames of threads and tasks lead to\n";
  const Process process(snapshot);
  struct Row {
    const ChannelFacts* channel;
    verdict::ChannelFate fate;
  };
  std::vector<Row> rows;
  for (const auto& channel : python.channels) rows.push_back({&channel, verdict::fate_of(process, channel)});
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return rank_of(a.fate.fate) < rank_of(b.fate.fate); });
  for (const auto& [channel, fate] : rows) {
    const bool bad = fate.fate == Fate::orphaned || fate.fate == Fate::unread;
    out += marked(bad, verdict::channel_label(*channel) + state_words(*channel), style) + "\n";
    if (!fate.why.empty())
      out += fill(printable((fate.fate == Fate::orphaned ? "orphaned: " : "") + fate.why), style.width, 6) + "\n";
    if (const auto users = users_words(process, *channel); !users.empty())
      out += fill(printable(users), style.width, 6) + "\n";
  }
  if (!python.channels.front().searched)
    out += fill("not every object was followed: there may be more users and channels", style.width, 2) + "\n";
  return out;
}

}  // namespace

std::string channels_text(const facts::Snapshot& snapshot, const Style& style) {
  const Paint paint(style);
  return objects_text(snapshot, style, paint) + "\n" + Descriptors(snapshot).text(style, paint);
}

}  // namespace hang::report
