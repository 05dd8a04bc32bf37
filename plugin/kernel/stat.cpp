#include "kernel/stat.h"

#include "kernel/proc_file.h"

namespace hang::kernel {

bool Stat::kernel_thread() const {
  constexpr std::uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD (include/linux/sched.h)
  return flags && (*flags & kKernelThread) != 0;
}

bool Stat::forked_only() const {
  constexpr std::uint64_t kForkNoExec = 0x00000040;  // PF_FORKNOEXEC (include/linux/sched.h)
  return flags && (*flags & kForkNoExec) != 0;
}

Stat parse_stat(std::string_view text) {
  Stat stat;
  // The command is the only field that may contain blanks and parentheses.
  const std::size_t begin = text.find('('), end = text.rfind(')');
  if (begin == text.npos || end == text.npos || end < begin) return stat;
  stat.comm = text.substr(begin + 1, end - begin - 1);
  Words words(text.substr(end + 1));
  const auto skip = [&](int fields) {
    for (int i = 0; i < fields; ++i) words.next();
  };
  const std::string_view state = words.next();
  if (state.size() == 1) stat.state = state.front();
  stat.ppid = words.number<std::int64_t>();
  stat.pgrp = words.number<std::int64_t>();
  stat.session = words.number<std::int64_t>();
  stat.tty_nr = words.number<std::int64_t>();
  stat.tpgid = words.number<std::int64_t>();
  stat.flags = words.number<std::uint64_t>();
  skip(4);  // page faults
  stat.utime = words.number<std::uint64_t>();
  stat.stime = words.number<std::uint64_t>();
  skip(4);  // children's times, priority, nice
  stat.num_threads = words.number<std::uint64_t>();
  skip(1);  // itrealvalue
  stat.starttime = words.number<std::uint64_t>();
  return stat;
}

}  // namespace hang::kernel
