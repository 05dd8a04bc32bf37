#include "kernel/thread.h"

#include <algorithm>
#include <string_view>
#include <unistd.h>

#include "kernel/kernel.h"
#include "kernel/stat.h"

namespace hang::kernel {
namespace {

using facts::ThreadFacts;
using facts::Wait;
using facts::WaitKind;

constexpr std::int64_t kRestartSyscall = 219;

void parse_status(std::string_view text, ThreadFacts& thread) {
  if (const auto name = value_of(text, "Name")) thread.comm = unescape_comm(*name);
  if (const auto state = value_of(text, "State"); state && !state->empty()) thread.state = state->front();
  if (const auto ids = value_of(text, "NSpid")) {
    // One number for each namespace, ours first (proc_pid_status, fs/proc/array.c).
    Words words(*ids);
    for (auto id = words.number<std::uint64_t>(); id; id = words.number<std::uint64_t>()) thread.ns_tid = *id;
    if (thread.ns_tid == thread.tid) thread.ns_tid = 0;
  }
  thread.sig_pnd = number_of<std::uint64_t>(text, "SigPnd", 16);
  thread.sig_blk = number_of<std::uint64_t>(text, "SigBlk", 16);
  thread.voluntary_switches = number_of<std::uint64_t>(text, "voluntary_ctxt_switches");
  thread.involuntary_switches = number_of<std::uint64_t>(text, "nonvoluntary_ctxt_switches");
}

// A stop (SIGSTOP, an attached debugger) turns a waiting poll, nanosleep or timed futex wait into restart_syscall. The
// argument registers are still those of the call that it continues; which one that is, the wait channel tells.
std::int64_t restarted_syscall(std::string_view channel, const std::uint64_t (&args)[6]) {
  constexpr std::int64_t kPoll = 7, kNanosleep = 35, kFutex = 202, kClockNanosleep = 230;
  constexpr std::uint64_t kMostClocks = 16;  // MAX_CLOCKS; nanosleep's first argument is a pointer instead
  if (channel.starts_with("poll_schedule") || channel.starts_with("do_poll") || channel.starts_with("do_sys_poll")) {
    return kPoll;
  }
  if (channel.starts_with("futex_")) return kFutex;
  if (channel.find("nanosleep") != channel.npos) return args[0] < kMostClocks ? kClockNanosleep : kNanosleep;
  return kRestartSyscall;
}

// "running", "-1 SP PC" or "NR A0 A1 A2 A3 A4 A5 SP PC" (proc_pid_syscall, fs/proc/base.c). "running" covers a thread
// that is executing in the kernel just now: it blocks on nothing.
void parse_syscall(std::string_view text, ThreadFacts& thread) {
  Words words(text);
  const std::string_view first = words.next();
  if (first == "running") {
    thread.wait.kind = WaitKind::none;
    return;
  }
  const auto number = parse_number<std::int64_t>(first);
  if (!number) return;
  std::uint64_t args[6] = {};
  if (*number >= 0) {
    for (auto& argument : args) {
      const auto value = words.number<std::uint64_t>(16);
      if (!value) return;
      argument = *value;
    }
  }
  words.next();  // SP
  thread.pc = words.number<std::uint64_t>(16);
  thread.wait = decode_syscall(*number, args);
}

void follow_restart(const ProcDir& dir, std::string& scratch, Wait& wait) {
  const auto channel = dir.read("wchan", scratch);
  if (!channel) return;
  std::uint64_t args[6] = {};
  std::copy_n(wait.args.begin(), std::min<std::size_t>(wait.args.size(), 6), args);
  const std::int64_t number = restarted_syscall(channel->text, args);
  if (number != kRestartSyscall) wait = decode_syscall(number, args);
}

// schedstat is exact to the nanosecond; utime and stime, in ticks, serve kernels without it (all zero then).
std::optional<std::uint64_t> cpu_time(const ProcDir& dir, std::string& scratch) {
  if (const auto schedstat = dir.read("schedstat", scratch)) {
    const auto ns = Words(schedstat->text).number<std::uint64_t>();
    if (ns && *ns != 0) return ns;
  }
  const auto file = dir.read("stat", scratch);
  if (!file) return std::nullopt;
  const Stat stat = parse_stat(file->text);
  const long ticks = sysconf(_SC_CLK_TCK);
  if (!stat.utime || !stat.stime || ticks <= 0) return std::nullopt;
  return (*stat.utime + *stat.stime) * (1'000'000'000 / static_cast<std::uint64_t>(ticks));
}

}  // namespace

std::string unescape_comm(std::string_view text) {
  std::string comm;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
      comm += text[i] == 'n' ? '\n' : text[i];
    } else {
      comm += text[i];
    }
  }
  return comm;
}

Result<ThreadFacts> read_thread(const ProcDir& dir, std::uint64_t tid, std::string& scratch,
                                std::string* syscall_refused) {
  ThreadFacts thread;
  thread.tid = tid;
  const auto syscall = dir.read("syscall", scratch);
  if (syscall) {
    parse_syscall(syscall->text, thread);
  } else if (syscall_refused) {
    *syscall_refused = syscall.error().message;
  }
  if (thread.wait.syscall == kRestartSyscall) follow_restart(dir, scratch, thread.wait);
  const auto status = dir.read("status", scratch);
  if (!status) return status.error();
  parse_status(status->text, thread);
  thread.cpu_ns = cpu_time(dir, scratch);
  return thread;
}

Result<ThreadFacts> read_thread(std::uint64_t pid, std::uint64_t tid) {
  const auto dir = ProcDir::open_thread(pid, tid);
  if (!dir) return dir.error();
  std::string scratch;
  return read_thread(*dir, tid, scratch, nullptr);
}

}  // namespace hang::kernel
