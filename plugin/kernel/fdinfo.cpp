#include "kernel/fdinfo.h"

#include <algorithm>

#include "kernel/proc_file.h"

namespace hang::kernel {
namespace {

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
    if (key == "eventfd-count") info.event_count = parse_number<std::uint64_t>(value, 16);
  }
  return info;
}

}  // namespace hang::kernel
