// /proc/PID/stat and /proc/PID/task/TID/stat: the one line about a process that everybody may read.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hang::kernel {

// Fields of proc(5) by their names there. What is not a number is absent.
struct Stat {
  std::string_view comm;  // unescaped, part of the parsed text
  std::optional<char> state;
  std::optional<std::int64_t> ppid, pgrp, session, tty_nr, tpgid;
  std::optional<std::uint64_t> flags, utime, stime, num_threads, starttime;  // times in clock ticks

  // Zombie or dead: no memory and no open files any more.
  [[nodiscard]] bool ended() const { return state == 'Z' || state == 'X' || state == 'x'; }
  [[nodiscard]] bool kernel_thread() const;
  // Runs the program of the process that forked it: no exec() since.
  [[nodiscard]] bool forked_only() const;
};

Stat parse_stat(std::string_view text);

}  // namespace hang::kernel
