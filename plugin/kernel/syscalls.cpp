// What a system call waits for, told from its number and arguments.
#include <algorithm>
#include <iterator>
#include <string_view>

#include "kernel/kernel.h"
#include "kernel/syscall_names.h"

namespace hang::kernel {
namespace {

using facts::Wait;
using facts::WaitKind;

// Where the time limit of a call is.
enum class Limit {
  unknown,       // not among the arguments: a socket's SO_RCVTIMEO, a device's own rules
  never,         // there is none
  milliseconds,  // an int argument, negative = never
  pointer        // NULL = never; else a struct in the target's memory
};

struct Rule {
  std::string_view name;
  WaitKind kind;
  int fd_arg = -1;
  Limit limit = Limit::unknown;
  int limit_arg = -1;
};

// Only the calls that wait for something in a way that a rule may care about; the others are WaitKind::other.
constexpr Rule kRules[] = {
    {"futex", WaitKind::futex, -1, Limit::pointer, 3},
    {"futex_wait", WaitKind::futex, -1, Limit::pointer, 4},
    {"futex_waitv", WaitKind::futex, -1, Limit::pointer, 3},
    {"epoll_wait", WaitKind::epoll, 0, Limit::milliseconds, 3},
    {"epoll_pwait", WaitKind::epoll, 0, Limit::milliseconds, 3},
    {"epoll_pwait2", WaitKind::epoll, 0, Limit::pointer, 3},
    {"poll", WaitKind::poll, -1, Limit::milliseconds, 2},
    {"ppoll", WaitKind::poll, -1, Limit::pointer, 2},
    {"select", WaitKind::select, -1, Limit::pointer, 4},
    {"pselect6", WaitKind::select, -1, Limit::pointer, 4},
    {"nanosleep", WaitKind::nanosleep},
    {"clock_nanosleep", WaitKind::nanosleep},
    {"read", WaitKind::read, 0},
    {"pread64", WaitKind::read, 0},
    {"readv", WaitKind::read, 0},
    {"preadv", WaitKind::read, 0},
    {"preadv2", WaitKind::read, 0},
    {"write", WaitKind::write, 0},
    {"pwrite64", WaitKind::write, 0},
    {"writev", WaitKind::write, 0},
    {"pwritev", WaitKind::write, 0},
    {"pwritev2", WaitKind::write, 0},
    {"vmsplice", WaitKind::write, 0},
    {"sendfile", WaitKind::write, 0},
    {"accept", WaitKind::accept, 0},
    {"accept4", WaitKind::accept, 0},
    {"connect", WaitKind::connect, 0},
    {"recvfrom", WaitKind::recv, 0},
    {"recvmsg", WaitKind::recv, 0},
    {"recvmmsg", WaitKind::recv, 0},  // its timeout is looked at only between datagrams (recvmmsg(2), BUGS)
    {"sendto", WaitKind::send, 0},
    {"sendmsg", WaitKind::send, 0},
    {"sendmmsg", WaitKind::send, 0},
    {"wait4", WaitKind::wait_child, -1, Limit::never},
    {"waitid", WaitKind::wait_child, -1, Limit::never},
    {"pause", WaitKind::signal, -1, Limit::never},
    {"rt_sigsuspend", WaitKind::signal, -1, Limit::never},
    {"rt_sigtimedwait", WaitKind::signal, -1, Limit::pointer, 2},
    {"flock", WaitKind::other, 0, Limit::never},
    {"fcntl", WaitKind::other, 0},
    {"ioctl", WaitKind::other, 0},
    {"fsync", WaitKind::other, 0},
    {"fdatasync", WaitKind::other, 0},
    {"splice", WaitKind::other, 0},
    {"io_uring_enter", WaitKind::other, 0},
};

const Rule* find_rule(std::string_view name) {
  const auto* rule = std::find_if(std::begin(kRules), std::end(kRules), [&](const Rule& r) { return r.name == name; });
  return rule == std::end(kRules) ? nullptr : rule;
}

// Integer arguments are 32 bits wide for the kernel; the upper half of the register is whatever was there.
std::int32_t int_arg(std::uint64_t argument) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(argument));
}

// include/uapi/linux/futex.h; only these commands wait.
bool futex_command_waits(std::uint64_t operation) {
  constexpr std::uint64_t kPrivateFlag = 128, kClockRealtime = 256;
  switch (static_cast<std::uint32_t>(operation) & ~(kPrivateFlag | kClockRealtime)) {
    case 0:   // FUTEX_WAIT
    case 6:   // FUTEX_LOCK_PI
    case 9:   // FUTEX_WAIT_BITSET
    case 11:  // FUTEX_WAIT_REQUEUE_PI
    case 13:  // FUTEX_LOCK_PI2
      return true;
    default: return false;
  }
}

// Whom wait4() and waitid() wait for, in wait4()'s terms: a pid, -1 any child, 0 own group, < -1 that group.
void decode_child(const std::uint64_t (&args)[6], Wait& wait) {
  if (wait.name == "wait4") {
    wait.pid = int_arg(args[0]);
    return;
  }
  const std::int64_t id = int_arg(args[1]);
  switch (args[0]) {
    case 0: wait.pid = -1; break;               // P_ALL
    case 1: wait.pid = id; break;               // P_PID
    case 2: wait.pid = -id; break;              // P_PGID
    case 3: wait.fd = int_arg(args[1]); break;  // P_PIDFD
    default: break;
  }
}

void decode_limit(const Rule& rule, const std::uint64_t (&args)[6], Wait& wait) {
  if (rule.limit == Limit::never) wait.timeout_ms = -1;
  if (rule.limit == Limit::milliseconds) wait.timeout_ms = std::max(int_arg(args[rule.limit_arg]), -1);
  if (rule.limit == Limit::pointer && args[rule.limit_arg] == 0) wait.timeout_ms = -1;
}

}  // namespace

Wait decode_syscall(std::int64_t number, const std::uint64_t (&args)[6]) {
  Wait wait;
  wait.syscall = number;
  if (number < 0) {
    wait.syscall = -1;
    wait.kind = WaitKind::none;
    return wait;
  }
  wait.kind = WaitKind::other;
  wait.name = syscall_name(number);
  wait.args.assign(std::begin(args), std::end(args));
  const Rule* rule = find_rule(wait.name);
  if (!rule) return wait;
  if (rule->name == "futex" && !futex_command_waits(args[1])) return wait;
  wait.kind = rule->kind;
  if (rule->fd_arg >= 0) wait.fd = int_arg(args[rule->fd_arg]);
  // futex_waitv() has its words in an array: the target's memory.
  if (rule->kind == WaitKind::futex && rule->name != "futex_waitv") wait.futex = args[0];
  if (rule->kind == WaitKind::wait_child) decode_child(args, wait);
  decode_limit(*rule, args, wait);
  return wait;
}

}  // namespace hang::kernel
