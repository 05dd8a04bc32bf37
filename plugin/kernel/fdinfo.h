// /proc/PID/fdinfo/N: flags of an open file and what the kernel adds for epoll, pidfd, timerfd and eventfd.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "facts/facts.h"

namespace hang::kernel {

struct FdInfo {
  std::optional<std::uint32_t> flags;        // O_ACCMODE, O_CLOEXEC, O_PATH, ...
  std::optional<std::uint64_t> inode;        // Linux 5.14 and later
  std::vector<facts::EpollWatch> watches;    // epoll: what is registered
  std::optional<std::int64_t> pid;           // pidfd: -1 = ended and reaped
  std::optional<std::uint64_t> timer_ms;     // timerfd: until it fires, 0 = fired and not read, absent = disarmed
  std::optional<std::uint64_t> event_count;  // eventfd
  std::optional<std::uint64_t> signals;      // signalfd: those that it takes, bit n-1 = signal n
};

// Lines that are not understood leave their fields absent.
FdInfo parse_fdinfo(std::string_view text);

// What the link of /proc/PID/fd/N (`fd.target`) alone says: type and inode. Of a socket only that it is one
// (`other_socket`). False, and nothing filled in, for a path.
bool apply_link(facts::FdFacts& fd);

// What fdinfo says of an fd whose type is known; the count of an eventfd becomes a reading of the snapshot.
void apply_fdinfo(const FdInfo& info, facts::FdFacts& fd, facts::Snapshot& snapshot);

}  // namespace hang::kernel
