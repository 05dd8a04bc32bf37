#include "collect/native_waits.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>
#include <string_view>

#include "collect/code_symbols.h"

namespace hang::collect {
namespace {

using facts::NativeFrame;
using facts::NativeLockFacts;
using facts::Snapshot;
using facts::ThreadFacts;
using facts::WaitKind;

// Stacks cost a fraction of a millisecond each; of hundreds of threads that wait for one GIL these are enough.
constexpr std::size_t kMostStacks = 64;

bool sleeps_on_futex(const ThreadFacts& thread) {
  return thread.wait.kind == WaitKind::futex && thread.wait.futex;
}

// The GIL that the futex word belongs to, or -1.
int gil_of(const Snapshot& snapshot, std::uint64_t word) {
  const auto& gils = snapshot.python->gils;
  for (std::size_t i = 0; i < gils.size(); ++i) {
    const RemoteAddr at(word);
    if (at.within(RemoteAddr(gils[i].cond), gils[i].cond_size) ||
        at.within(RemoteAddr(gils[i].mutex), gils[i].mutex_size))
      return static_cast<int>(i);
  }
  return -1;
}

std::uint64_t holder_of(const Snapshot& snapshot, const facts::GilFacts& gil) {
  const auto* holder = gil.locked == true && gil.last_holder ? snapshot.thread_state(*gil.last_holder) : nullptr;
  return holder == nullptr ? 0 : holder->tid;
}

// Sleeping holders of a GIL and those that wait for it; and a main thread on a lock that is no GIL: what it is inside
// of (Py_EndInterpreter, a handler, a finalizer) is a matter of its native stack.
std::vector<std::uint64_t> threads_of_interest(const Snapshot& snapshot) {
  std::vector<std::uint64_t> list;
  std::set<int> gils;
  for (std::size_t i = 0; i < snapshot.python->gils.size(); ++i) {
    const auto* thread = snapshot.thread(holder_of(snapshot, snapshot.python->gils[i]));
    if (thread == nullptr || thread->wait.kind == WaitKind::none || thread->wait.kind == WaitKind::unknown) continue;
    list.push_back(thread->tid);
    if (sleeps_on_futex(*thread)) gils.insert(static_cast<int>(i));
  }
  for (const auto& thread : snapshot.threads) {
    if (!sleeps_on_futex(thread)) continue;
    const int gil = gil_of(snapshot, *thread.wait.futex);
    if (gil >= 0 ? gils.contains(gil) : thread.tid == snapshot.python->main_tid) list.push_back(thread.tid);
  }
  std::vector<std::uint64_t> unique;
  for (auto tid : list)
    if (std::find(unique.begin(), unique.end(), tid) == unique.end() && unique.size() < kMostStacks)
      unique.push_back(tid);
  return unique;
}

void read_stack(Target& target, ThreadFacts& thread) {
  auto stack = target.native_stack(thread.tid);
  if (!stack) return;
  for (const auto& frame : *stack) {
    // The call is before the address that it returns to.
    const RemoteAddr at(frame.pc - (thread.native_frames.empty() ? 0 : 1));
    NativeFrame facts{frame.pc, frame.function, {}, {}};
    if (auto symbol = target.code_symbol(at)) {
      facts.symbol = symbol->name;
      facts.module = module_name(symbol->module);
    } else if (auto module = module_at(target, at)) {
      facts.module = module_name(*module);
    }
    thread.native_frames.push_back(std::move(facts));
  }
}

// --- owners that the lock records ------------------------------------------------------------------------------

bool is_thread(const Snapshot& snapshot, std::uint64_t tid) {
  return tid != 0 && snapshot.thread(tid) != nullptr;
}

// A word of the target that is the tid of one of its threads.
std::optional<std::uint64_t> tid_at(Target& target, const Snapshot& snapshot, std::uint64_t address,
                                    std::uint32_t mask = ~0U) {
  const auto word = read_value<std::uint32_t>(target, RemoteAddr(address));
  if (!word || !is_thread(snapshot, *word & mask)) return std::nullopt;
  return *word & mask;
}

// struct __pthread_mutex_s begins with int __lock, unsigned __count, int __owner; struct __pthread_rwlock_arch_t with
// unsigned __readers, __writers, __wrphase_futex, __writers_futex, two pads, int __cur_writer (glibc,
// sysdeps/x86/nptl/bits/struct_mutex.h and struct_rwlock.h, the same from 2.25 to 2.41). A priority-inheritance futex
// has the owner in its own low 30 bits (FUTEX_TID_MASK, include/uapi/linux/futex.h).
void find_recorded_owner(Target& target, const Snapshot& snapshot, const facts::Wait& wait, NativeLockFacts& lock) {
  constexpr std::uint64_t kOwner = 8, kFromPhase = 16, kFromWriters = 12;
  constexpr std::uint32_t kTidMask = 0x3fffffff;
  constexpr std::uint64_t kLockPi = 6, kLockPi2 = 13, kCommand = 127;
  const std::uint64_t command = wait.args.size() > 1 ? wait.args[1] & kCommand : 0;
  struct Place {
    const char *kind, *field;
    std::uint64_t offset;
    std::uint32_t mask;
  };
  const std::array<Place, 3> places{{{"pthread mutex", "pthread_mutex_t.__data.__owner", kOwner, ~0U},
                                     {"pthread rwlock", "pthread_rwlock_t.__data.__cur_writer", kFromPhase, ~0U},
                                     {"pthread rwlock", "pthread_rwlock_t.__data.__cur_writer", kFromWriters, ~0U}}};
  const Place inheriting{"priority-inheritance mutex", "futex word", 0, kTidMask};
  const auto accept = [&](const Place& place) {
    const auto owner = tid_at(target, snapshot, lock.futex + place.offset, place.mask);
    if (!owner) return false;
    lock.kind = place.kind;
    lock.owner = owner;
    lock.recorded = true;
    lock.evidence = fmt::format("{} = {}", place.field, *owner);
    return true;
  };
  if (command == kLockPi || command == kLockPi2) {
    accept(inheriting);
    return;
  }
  for (const auto& place : places)
    if (accept(place)) return;
}

// --- owners that the stacks tell -------------------------------------------------------------------------------

struct Entry {
  std::string_view symbol, kind;
};
// What a thread is inside of while another one initializes the same thing.
constexpr std::array<Entry, 5> kOnceEntries{{{"__cxa_guard_acquire", "C++ static guard"},
                                             {"pthread_once", "std::call_once or pthread_once"},
                                             {"__pthread_once", "std::call_once or pthread_once"},
                                             {"__pthread_once_slow", "std::call_once or pthread_once"},
                                             {"call_once", "call_once"}}};

const Entry* entry_of(const NativeFrame& frame) {
  const auto found = std::find_if(kOnceEntries.begin(), kOnceEntries.end(), [&](const Entry& entry) {
    return frame.symbol.substr(0, frame.symbol.find('@')) == entry.symbol;
  });
  return found == kOnceEntries.end() ? nullptr : &*found;
}

// A guard has no owner, but who initializes is still inside the function that has the static: the caller of the entry
// of the one that waits. A waiter of the same kind does not count; it is in the entry too.
void find_initializer(const Snapshot& snapshot, const ThreadFacts& waiter, NativeLockFacts& lock) {
  constexpr std::size_t kNearTop = 6;  // futex wrapper, syscall, the entry
  const auto& frames = waiter.native_frames;
  const Entry* entry = nullptr;
  std::size_t caller = 0;
  for (std::size_t i = 0; i < std::min(frames.size(), kNearTop); ++i)
    if (const auto* found = entry_of(frames[i])) entry = found, caller = i + 1;
  if (entry == nullptr) return;
  lock.kind = entry->kind;
  if (caller >= frames.size() || frames[caller].function == 0) return;
  const auto& function = frames[caller];
  for (const auto& other : snapshot.threads) {
    if (other.tid == waiter.tid || other.native_frames.empty()) continue;
    const auto& theirs = other.native_frames;
    const auto same = std::find_if(theirs.begin(), theirs.end(),
                                   [&](const NativeFrame& frame) { return frame.function == function.function; });
    // Directly below the entry it would be a waiter as well; an initializer has called on.
    if (same == theirs.end() || same == theirs.begin()) continue;
    const bool waits_too = same - theirs.begin() <= static_cast<std::ptrdiff_t>(kNearTop) &&
                           entry_of(*(same - 1)) != nullptr && other.wait.futex == waiter.wait.futex;
    if (waits_too) continue;
    lock.owner = other.tid;
    lock.evidence =
        fmt::format("both threads are inside {} ({})",
                    function.symbol.empty() ? "the same function without a name" : function.symbol, function.module);
    return;
  }
}

void add_lock(Target& target, Snapshot& snapshot, const ThreadFacts& waiter) {
  const std::uint64_t word = *waiter.wait.futex;
  const auto known = std::any_of(snapshot.native_locks.begin(), snapshot.native_locks.end(),
                                 [&](const auto& lock) { return lock.futex == word; });
  if (known || gil_of(snapshot, word) >= 0) return;
  NativeLockFacts lock;
  lock.futex = word;
  lock.kind = "native lock";
  find_recorded_owner(target, snapshot, waiter.wait, lock);
  if (!lock.owner) find_initializer(snapshot, waiter, lock);
  if (!lock.owner && lock.kind == "native lock") return;  // nothing is known of it
  if (lock.recorded)
    snapshot.readings.push_back({fmt::format("futex.{:#x}.owner", word),
                                 lock.evidence.substr(0, lock.evidence.find(' ')), RemoteAddr(word).hex(),
                                 std::to_string(*lock.owner), facts::Source::table});
  if (auto module = module_at(target, RemoteAddr(word)); module && module_name(*module).starts_with("ld-"))
    lock.kind = "lock of the dynamic loader";
  snapshot.native_locks.push_back(std::move(lock));
}

}  // namespace

void read_native_waits(Target& target, Snapshot& snapshot) {
  if (!snapshot.python) return;
  for (auto tid : threads_of_interest(snapshot))
    for (auto& thread : snapshot.threads)
      if (thread.tid == tid) read_stack(target, thread);
  for (const auto& thread : snapshot.threads)
    if (sleeps_on_futex(thread)) add_lock(target, snapshot, thread);
}

}  // namespace hang::collect
