#include "collect/waits.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <string_view>
#include <time.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace hang::collect {
namespace {

using facts::Wait;
using facts::WaitKind;

constexpr std::size_t kMostFds = 65536;

// struct timespec and struct timeval of x86-64: two 64-bit words, seconds and a fraction.
struct KernelTime {
  std::int64_t seconds = 0, fraction = 0;
};
constexpr std::int64_t kNanoseconds = 1'000'000'000, kMicroseconds = 1'000'000;

// How a call gives its limit.
enum class Clock { relative, monotonic, realtime, boottime };

std::int64_t saturated_ms(std::int64_t seconds, std::int64_t nanoseconds) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 1000 - 1;
  if (seconds > kMost) return kMost * 1000;
  return seconds * 1000 + (nanoseconds + 999'999) / 1'000'000;  // rounded up: 0 means that it is over
}

// A time that the kernel would have refused (EINVAL) was not what this thread waits by.
std::optional<KernelTime> read_time(Target& target, std::uint64_t address, std::int64_t fractions) {
  const auto time = read_value<KernelTime>(target, RemoteAddr(address), "timeout");
  if (!time || time->seconds < 0 || time->fraction < 0 || time->fraction >= fractions) return std::nullopt;
  return *time;
}

// Clocks but CLOCK_REALTIME can be shifted for a container; then its deadlines mean nothing by our clock.
bool same_time_namespace(std::uint64_t pid) {
  std::array<char, 64> ours{}, theirs{};
  const ssize_t a = readlink("/proc/self/ns/time", ours.data(), ours.size() - 1);
  const ssize_t b = readlink(fmt::format("/proc/{}/ns/time", pid).c_str(), theirs.data(), theirs.size() - 1);
  if (a < 0) return true;  // a kernel without time namespaces (before 5.6)
  return b >= 0 && std::string_view(ours.data()) == theirs.data();
}

// The target, with what the waits of many threads have in common: struct timespecs that were read at once, and whether
// its clocks are ours.
class WaitReader final : public Target {
 public:
  WaitReader(Target& target, const std::vector<std::uint64_t>& addresses) : target_(target), times_(addresses.size()) {
    std::vector<ReadRequest> requests;
    for (std::size_t i = 0; i < addresses.size(); ++i)
      requests.push_back({RemoteAddr(addresses[i]), std::as_writable_bytes(std::span(&times_[i], 1)), 0});
    target.read_many(requests);
    for (std::size_t i = 0; i < addresses.size(); ++i)
      if (requests[i].got == sizeof(KernelTime)) places_.emplace(addresses[i], i);
  }

  [[nodiscard]] TargetKind kind() const override { return target_.kind(); }
  [[nodiscard]] std::uint64_t pid() const override { return target_.pid(); }
  [[nodiscard]] bool local() const override { return target_.local(); }
  [[nodiscard]] bool stopped_by_host() const override { return target_.stopped_by_host(); }
  [[nodiscard]] bool one_instant() const override { return target_.one_instant(); }
  [[nodiscard]] std::uint64_t stop_id() const override { return target_.stop_id(); }
  Result<std::vector<Module>> modules() override { return target_.modules(); }
  Result<std::vector<TargetThread>> threads() override { return target_.threads(); }
  Result<RemoteAddr> symbol(const Module& module, std::string_view name) override {
    return target_.symbol(module, name);
  }
  Result<MemberLayout> member(std::string_view type, std::string_view path) override {
    return target_.member(type, path);
  }
  Result<CodeSymbol> code_symbol(RemoteAddr pc) override { return target_.code_symbol(pc); }

  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) override {
    const auto found = places_.find(address.raw());
    if (found == places_.end() || out.size() != sizeof(KernelTime)) return target_.read(address, out);
    std::memcpy(out.data(), &times_[found->second], sizeof(KernelTime));
    return sizeof(KernelTime);
  }

  [[nodiscard]] bool same_time_namespace() {
    if (!same_namespace_) same_namespace_ = collect::same_time_namespace(target_.pid());
    return *same_namespace_;
  }

 private:
  Target& target_;
  std::vector<KernelTime> times_;
  std::unordered_map<std::uint64_t, std::size_t> places_;
  std::optional<bool> same_namespace_;
};

std::optional<std::int64_t> remaining_ms(WaitReader& target, const KernelTime& deadline, Clock clock) {
  if (clock == Clock::relative) return saturated_ms(deadline.seconds, deadline.fraction);
  if (target.kind() != TargetKind::live || !target.local()) return std::nullopt;
  if (clock != Clock::realtime && !target.same_time_namespace()) return std::nullopt;
  const clockid_t id = clock == Clock::realtime   ? CLOCK_REALTIME
                       : clock == Clock::boottime ? CLOCK_BOOTTIME
                                                  : CLOCK_MONOTONIC;
  timespec now{};
  if (clock_gettime(id, &now) != 0) return std::nullopt;
  std::int64_t seconds = deadline.seconds - now.tv_sec, nanoseconds = deadline.fraction - now.tv_nsec;
  if (nanoseconds < 0) {
    --seconds;
    nanoseconds += kNanoseconds;
  }
  return seconds < 0 ? 0 : saturated_ms(seconds, nanoseconds);
}

// timeout_ms from a struct timespec at argument `index`. A NULL pointer was decoded already (never).
void limit_from(WaitReader& target, Wait& wait, std::size_t index, Clock clock = Clock::relative,
                std::int64_t fractions = kNanoseconds) {
  const std::uint64_t address = wait.args[index];
  if (address == 0) return;
  if (const auto time = read_time(target, address, fractions)) {
    KernelTime exact = *time;
    if (fractions == kMicroseconds) exact.fraction *= 1000;
    wait.timeout_ms = remaining_ms(target, exact, clock);
  }
}

// include/uapi/linux/time.h. CPU-time clocks stand still for a blocked process: nothing follows from their deadlines.
std::optional<Clock> clock_of(std::uint64_t id) {
  switch (static_cast<std::uint32_t>(id)) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_ALARM: return Clock::realtime;
    case CLOCK_MONOTONIC: return Clock::monotonic;
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM: return Clock::boottime;
    default: return std::nullopt;
  }
}

void complete_sleep(WaitReader& target, Wait& wait) {
  if (wait.name == "nanosleep") return limit_from(target, wait, 0);
  const auto clock = clock_of(wait.args[0]);
  if (!clock) return;
  const bool absolute = (wait.args[1] & TIMER_ABSTIME) != 0;
  limit_from(target, wait, 2, absolute ? *clock : Clock::relative);
}

// Which of futex()'s commands take an absolute time, and by which clock: kernel/futex/syscalls.c.
Clock futex_clock(std::uint64_t operation) {
  constexpr std::uint64_t kPrivate = 128, kRealtime = 256;
  constexpr std::uint64_t kWait = 0, kLockPi = 6;
  const std::uint64_t command = static_cast<std::uint32_t>(operation) & ~(kPrivate | kRealtime);
  if (command == kWait) return Clock::relative;
  if (command == kLockPi || (operation & kRealtime) != 0) return Clock::realtime;
  return Clock::monotonic;
}

void complete_futex(WaitReader& target, Wait& wait) {
  if (wait.name == "futex") return limit_from(target, wait, 3, futex_clock(wait.args[1]));
  // futex_wait(uaddr, val, mask, flags, timeout, clockid), futex_waitv(waiters, nr, flags, timeout, clockid)
  const bool vector = wait.name == "futex_waitv";
  if (const auto clock = clock_of(wait.args[vector ? 4 : 5])) limit_from(target, wait, vector ? 3 : 4, *clock);
  if (!vector || wait.args[1] == 0) return;
  // struct futex_waitv: u64 val, u64 uaddr, u32 flags, u32 reserved. The first word stands for all.
  const auto first = read_value<std::array<std::uint64_t, 3>>(target, RemoteAddr(wait.args[0]), "futex_waitv");
  if (first) wait.futex = (*first)[1];
}

// struct pollfd: int fd, short events, short revents. Negative numbers are skipped by the kernel too.
void complete_poll(WaitReader& target, Wait& wait) {
  struct PollFd {
    std::int32_t fd;
    std::int16_t events, revents;
  };
  const std::uint64_t count = static_cast<std::uint32_t>(wait.args[1]);
  wait.fds.clear();
  if (count != 0 && count <= kMostFds) {
    std::vector<PollFd> list(count);
    if (read_exact(target, RemoteAddr(wait.args[0]), std::as_writable_bytes(std::span(list)), "pollfd")) {
      for (const PollFd& entry : list) {
        if (entry.fd >= 0) wait.fds.push_back(entry.fd);
      }
    }
  }
  if (wait.name == "ppoll") limit_from(target, wait, 2);
}

// Adds the members of one fd_set: 64-bit words, of which the kernel reads as many as `count` bits need.
bool add_fd_set(WaitReader& target, std::uint64_t address, std::size_t count, std::vector<int>& fds) {
  if (address == 0) return true;
  std::vector<std::uint64_t> words((count + 63) / 64);
  if (!read_exact(target, RemoteAddr(address), std::as_writable_bytes(std::span(words)), "fd_set")) return false;
  for (std::size_t fd = 0; fd < count; ++fd) {
    if ((words[fd / 64] >> (fd % 64) & 1) != 0) fds.push_back(static_cast<int>(fd));
  }
  return true;
}

void complete_select(WaitReader& target, Wait& wait) {
  const std::uint64_t count = static_cast<std::uint32_t>(wait.args[0]);
  std::vector<int> fds;
  bool all = count <= kMostFds;
  for (std::size_t set = 1; set <= 3 && all && count != 0; ++set) all = add_fd_set(target, wait.args[set], count, fds);
  std::sort(fds.begin(), fds.end());
  fds.erase(std::unique(fds.begin(), fds.end()), fds.end());
  // A part of the files would look like all of them.
  if (!all) fds.clear();
  wait.fds = std::move(fds);
  // select() has a struct timeval, pselect6() a struct timespec.
  limit_from(target, wait, 4, Clock::relative, wait.name == "select" ? kMicroseconds : kNanoseconds);
}

// rt_sigtimedwait(set, info, timeout, size): the kernel's sigset_t is one word.
void complete_sigwait(WaitReader& target, Wait& wait) {
  wait.signals = read_value<std::uint64_t>(target, RemoteAddr(wait.args[0])).to_optional();
  limit_from(target, wait, 2);
}

void complete(WaitReader& target, Wait& wait) {
  if (wait.args.size() != 6) return;
  switch (wait.kind) {
    case WaitKind::futex: complete_futex(target, wait); break;
    case WaitKind::poll: complete_poll(target, wait); break;
    case WaitKind::select: complete_select(target, wait); break;
    case WaitKind::nanosleep: complete_sleep(target, wait); break;
    case WaitKind::epoll:
      if (wait.name == "epoll_pwait2") limit_from(target, wait, 3);
      break;
    case WaitKind::signal:
      if (wait.name == "rt_sigtimedwait") complete_sigwait(target, wait);
      break;
    default: break;
  }
}

}  // namespace

void complete_wait(Target& whole, Wait& wait) {
  WaitReader target(whole, {});
  complete(target, wait);
}

void complete_waits(Target& target, std::vector<facts::ThreadFacts>& threads) {
  std::vector<std::uint64_t> addresses;
  for (const auto& thread : threads) {
    const auto& wait = thread.wait;
    if (wait.args.size() != 6) continue;
    // nanosleep(request), clock_nanosleep(clock, flags, request), futex(word, operation, value, timeout)
    const std::uint64_t address = wait.name == "nanosleep"         ? wait.args[0]
                                  : wait.name == "clock_nanosleep" ? wait.args[2]
                                  : wait.name == "futex"           ? wait.args[3]
                                                                   : 0;
    if (address != 0) addresses.push_back(address);
  }
  WaitReader ahead(target, addresses);
  for (auto& thread : threads) complete(ahead, thread.wait);
}

}  // namespace hang::collect
