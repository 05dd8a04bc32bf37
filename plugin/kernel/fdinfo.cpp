#include "kernel/fdinfo.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>

#include "kernel/proc_file.h"

namespace hang::kernel {
namespace {

using facts::FdFacts;
using facts::FdType;

constexpr std::size_t kMostWatches = std::size_t{1} << 20;

// "tfd:        5 events:       19 data: 55d0  pos:0 ino:61 sdev:d" (ep_show_fdinfo, fs/eventpoll.c)
void parse_watch(std::string_view line, FdInfo& info) {
  Words words(line);
  words.next();
  facts::EpollWatch watch;
  const auto fd = words.number<int>();
  words.next();
  const auto events = words.number<std::uint32_t>(16);
  if (!fd || !events || info.watches.size() >= kMostWatches) return;
  watch.fd = *fd;
  watch.events = *events;
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    if (word.starts_with("ino:")) watch.inode = parse_number<std::uint64_t>(word.substr(4), 16).value_or(0);
  }
  info.watches.push_back(watch);
}

// "ticks: 0", "it_value: (0, 49406829)": seconds and nanoseconds left (timerfd_show, fs/timerfd.c)
void parse_timer(std::string_view value, std::optional<std::uint64_t> ticks, FdInfo& info) {
  if (value.size() < 2 || value.front() != '(' || value.back() != ')') return;
  const std::size_t comma = value.find(',');
  if (comma == value.npos) return;
  const auto seconds = parse_number<std::uint64_t>(trim(value.substr(1, comma - 1)));
  const auto nanoseconds = parse_number<std::uint64_t>(trim(value.substr(comma + 1, value.size() - comma - 2)));
  if (!seconds || !nanoseconds || *seconds > UINT64_MAX / 2000) return;
  if (ticks.value_or(0) > 0) {
    info.timer_ms = 0;
  } else if (*seconds != 0 || *nanoseconds != 0) {
    info.timer_ms = *seconds * 1000 + (*nanoseconds + 999'999) / 1'000'000;
  }
}

FdType type_of_anon(std::string_view name) {
  if (name.starts_with("[")) name = name.substr(1, name.find(']') - 1);
  if (name == "eventpoll") return FdType::epoll;
  if (name == "eventfd") return FdType::eventfd;
  if (name == "signalfd") return FdType::signalfd;
  if (name == "timerfd") return FdType::timerfd;
  if (name == "pidfd") return FdType::pidfd;
  if (name == "inotify") return FdType::inotify;
  return FdType::anon;
}

// "pipe:[123]" and "socket:[456]" carry the inode.
std::uint64_t inode_in(std::string_view link) {
  const std::size_t begin = link.find('['), end = link.rfind(']');
  if (begin == link.npos || end == link.npos || end < begin) return 0;
  return parse_number<std::uint64_t>(link.substr(begin + 1, end - begin - 1)).value_or(0);
}

}  // namespace

FdInfo parse_fdinfo(std::string_view text) {
  FdInfo info;
  std::optional<std::uint64_t> ticks;
  Lines lines(text);
  std::string_view line;
  while (lines.next(line)) {
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    const std::string_view key = line.substr(0, colon), value = trim(line.substr(colon + 1));
    if (key == "flags") info.flags = parse_number<std::uint32_t>(value, 8);
    if (key == "ino") info.inode = parse_number<std::uint64_t>(value);
    if (key == "tfd") parse_watch(line, info);
    if (key == "Pid") info.pid = parse_number<std::int64_t>(value);
    if (key == "ticks") ticks = parse_number<std::uint64_t>(value);
    if (key == "it_value") parse_timer(value, ticks, info);
    if (key == "sigmask") info.signals = parse_number<std::uint64_t>(value, 16);
    if (key == "eventfd-count") info.event_count = parse_number<std::uint64_t>(value, 16);
  }
  return info;
}

bool apply_link(FdFacts& fd) {
  constexpr std::string_view kAnon = "anon_inode:";
  const std::string_view link = fd.target;
  if (link.starts_with("pipe:[")) {
    fd.inode = inode_in(link);
    fd.type = FdType::pipe;
  } else if (link.starts_with("socket:[")) {
    fd.inode = inode_in(link);
    fd.type = FdType::other_socket;
  } else if (link.starts_with(kAnon)) {
    fd.type = type_of_anon(link.substr(kAnon.size()));
  } else if (link.starts_with("pidfd:")) {
    fd.type = FdType::pidfd;  // Linux 6.9
  } else {
    return false;
  }
  return true;
}

void apply_fdinfo(const FdInfo& info, FdFacts& fd, facts::Snapshot& snapshot) {
  if (info.flags) {
    const std::uint32_t mode = *info.flags & O_ACCMODE;
    const bool path_only = (*info.flags & O_PATH) != 0;
    fd.readable = !path_only && (mode == O_RDONLY || mode == O_RDWR);
    fd.writable = !path_only && (mode == O_WRONLY || mode == O_RDWR);
    fd.cloexec = (*info.flags & O_CLOEXEC) != 0;
  }
  if (fd.inode == 0) fd.inode = info.inode.value_or(0);
  if (fd.type == FdType::epoll) fd.epoll = info.watches;
  if (fd.type == FdType::pidfd) fd.pid = info.pid;
  if (fd.type == FdType::timerfd) fd.timer_ms = info.timer_ms;
  if (fd.type == FdType::signalfd) fd.signals = info.signals;
  if (fd.type == FdType::eventfd && info.event_count) {
    snapshot.readings.push_back({fmt::format("fd.{}.eventfd_count", fd.fd), "eventfd-count", "",
                                 fmt::format("{}", *info.event_count), facts::Source::procfs});
  }
}

}  // namespace hang::kernel
