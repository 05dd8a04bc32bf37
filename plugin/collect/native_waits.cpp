#include "collect/native_waits.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <set>
#include <string_view>
#include <thread>

#include "collect/code_symbols.h"
#include "collect/namespaces.h"

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
    const auto gil = snapshot.gil_of_futex(*thread.wait.futex);
    if (gil ? gils.contains(*gil) : thread.tid == snapshot.python->main_tid) list.push_back(thread.tid);
  }
  std::vector<std::uint64_t> unique;
  for (auto tid : list)
    if (std::find(unique.begin(), unique.end(), tid) == unique.end() && unique.size() < kMostStacks)
      unique.push_back(tid);
  return unique;
}

void read_stack(Target& target, ThreadFacts& thread) {
  constexpr int kTries = 4;
  constexpr std::chrono::microseconds kPause{400};
  auto stack = target.native_stack(thread.tid);
  // Who waits for the GIL wakes every 5 ms for an instant.
  for (int again = 0; again < kTries && !stack && stack.error().kind == ErrorKind::inconsistent; ++again) {
    std::this_thread::sleep_for(kPause);
    stack = target.native_stack(thread.tid);
  }
  if (!stack) return;
  for (const auto& frame : *stack) {
    // The call is before the address that it returns to.
    const RemoteAddr at(frame.pc - (thread.native_frames.empty() ? 0 : 1));
    NativeFrame facts{frame.pc, frame.function, {}, {}};
    if (auto symbol = target.code_symbol(at)) {
      facts.symbol = demangled(symbol->name);
      facts.module = module_name(symbol->module);
    } else if (auto module = module_at(target, at)) {
      facts.module = module_name(module->path);
    }
    thread.native_frames.push_back(std::move(facts));
  }
}

// --- who is about to take a GIL --------------------------------------------------------------------------------

// Functions of CPython that end only with a GIL in hand (Python/ceval.c, Python/pystate.c; exported, so that stripped
// builds have their names too).
bool takes_gil(const NativeFrame& frame) {
  static constexpr std::array kTakers{"PyEval_RestoreThread", "PyEval_AcquireThread", "PyEval_AcquireLock",
                                      "PyGILState_Ensure", "PyThreadState_Swap"};
  return std::find(kTakers.begin(), kTakers.end(), frame.symbol) != kTakers.end();
}

// Of CPython's own code only take_gil() waits in that function of the C library (COND_TIMED_WAIT, Python/ceval_gil.c).
// A build with tail calls has nothing else on the stack that has a name.
bool waits_for_a_gil(const std::vector<NativeFrame>& frames, const std::string& cpython) {
  constexpr std::size_t kInnermost = 4;
  for (std::size_t i = 0; i + 1 < std::min(frames.size(), kInnermost); ++i)
    if (frames[i].symbol.starts_with("pthread_cond_timedwait") && frames[i + 1].module == cpython) return true;
  return false;
}

// The GIL that a thread would take: that of its interpreters, if they have but one and another thread has that.
std::optional<int> only_gil(const Snapshot& snapshot, std::uint64_t tid) {
  std::set<int> gils;
  for (const auto& state : snapshot.python->thread_states)
    if (const auto* interpreter = state.tid == tid ? snapshot.interpreter(state.interpreter) : nullptr)
      gils.insert(interpreter->gil);
  if (gils.size() != 1 || *gils.begin() < 0) return std::nullopt;
  const auto holder = holder_of(snapshot, snapshot.python->gils[*gils.begin()]);
  return holder == 0 || holder == tid ? std::nullopt : std::optional(*gils.begin());
}

// In a core, and in a stopped process, one that waits for the GIL may be awake for its instant. It matters where it
// owns what somebody else waits for.
void find_awake_waiters(Target& target, Snapshot& snapshot) {
  for (const auto& lock : snapshot.native_locks)
    for (auto& thread : snapshot.threads) {
      const bool wakes = thread.wait.kind == WaitKind::other && thread.wait.name == "futex";
      if (lock.owner != thread.tid || (thread.wait.kind != WaitKind::none && !wakes)) continue;
      const auto gil = only_gil(snapshot, thread.tid);
      if (!gil) continue;
      // It gives back the mutex of the GIL's words, as take_gil() does around each of its waits.
      if (wakes && !thread.wait.args.empty() && snapshot.gil_of_futex(thread.wait.args[0]) == gil) {
        thread.takes_gil = gil;
        continue;
      }
      if (thread.native_frames.empty()) read_stack(target, thread);
      const auto& frames = thread.native_frames;
      if (std::any_of(frames.begin(), frames.end(), takes_gil) ||
          waits_for_a_gil(frames, module_name(snapshot.python->library)))
        thread.takes_gil = gil;
    }
}

// --- owners that the lock records ------------------------------------------------------------------------------

// The thread that the process calls `tid`; 0 if there is none.
std::uint64_t thread_called(const Snapshot& snapshot, std::int64_t tid) {
  if (tid <= 0) return 0;
  const auto here = thread_here(snapshot, static_cast<std::uint64_t>(tid));
  return snapshot.thread(here) == nullptr ? 0 : here;
}

// struct __pthread_mutex_s: int __lock; unsigned __count; int __owner; unsigned __nusers; int __kind; ... A mutex that
// somebody waits for has 2 in __lock, and users; a word that has not is no mutex, whatever lies behind it (glibc,
// sysdeps/x86/nptl/bits/struct_mutex.h, nptl/lowlevellock.h; the same from 2.25 to 2.41).
struct Mutex {
  std::int32_t lock;
  std::uint32_t count;
  std::int32_t owner;
  std::uint32_t users;
  std::int32_t kind;
};

// struct __pthread_rwlock_arch_t: unsigned __readers, __writers, __wrphase_futex, __writers_futex, two pads, int
// __cur_writer. Bit 1 of __readers says that a writer has it (PTHREAD_RWLOCK_WRLOCKED, nptl/pthread_rwlock_common.c).
struct RwLock {
  std::uint32_t readers, writers, phase_futex, writers_futex, pads[2];
  std::int32_t writer;
};

// What lies around the words that threads sleep on, read at once: of hundreds of threads each read would cost.
class Surroundings {
 public:
  Surroundings(Target& target, const Snapshot& snapshot) : target_(target) {
    for (const auto& thread : snapshot.threads)
      if (sleeps_on_futex(thread) && *thread.wait.futex > kBefore) around_.try_emplace(*thread.wait.futex);
    std::vector<ReadRequest> requests;
    std::vector<Around*> asked;
    for (auto& [word, around] : around_) {
      requests.push_back({RemoteAddr(word - kBefore), around.bytes, 0});
      asked.push_back(&around);
    }
    target.read_many(requests);
    for (std::size_t i = 0; i < requests.size(); ++i) asked[i]->present = requests[i].got;
  }

  // The value that begins `before` bytes before the word.
  template <typename T>
  Result<T> value(std::uint64_t word, std::uint64_t before = 0) const {
    const auto found = around_.find(word);
    const std::size_t at = kBefore - std::min<std::uint64_t>(before, kBefore);
    if (found == around_.end() || before > kBefore || found->second.present < at + sizeof(T))
      return read_value<T>(target_, RemoteAddr(word - before));
    T value{};
    std::memcpy(&value, found->second.bytes.data() + at, sizeof value);
    return value;
  }

 private:
  // From the begin of a rwlock whose last futex it is, to its writer.
  static constexpr std::uint64_t kBefore = offsetof(RwLock, writers_futex);
  struct Around {
    std::array<std::byte, kBefore + sizeof(RwLock)> bytes{};
    std::size_t present = 0;
  };
  Target& target_;
  std::map<std::uint64_t, Around> around_;
};

void record(NativeLockFacts& lock, const char* kind, const char* field, std::uint64_t owner) {
  lock.kind = kind;
  lock.owner = owner;
  lock.recorded = true;
  lock.evidence = fmt::format("{} = {}", field, owner);
}

// pthread_join waits for a word in the descriptor of the thread, which the kernel clears when that ends, waking its
// waiters as if they shared the word between processes. Up to glibc 2.41 it has the thread's id, which is what the
// waiter expects there, too; later a state (nptl/pthread_join_common.c, joinstate). The descriptor begins at
// pthread_self().
void find_joined(const Surroundings& words, const Snapshot& snapshot, const facts::Wait& wait, NativeLockFacts& lock) {
  constexpr std::uint64_t kPrivate = 128, kDescriptorSize = 0x900;  // struct pthread, nptl/descr.h
  if (wait.args.size() < 3 || (wait.args[1] & kPrivate) != 0) return;
  const auto word = words.value<std::uint32_t>(lock.futex);
  if (!word || *word != static_cast<std::uint32_t>(wait.args[2])) return;
  if (const auto joined = thread_called(snapshot, *word); joined != 0)
    return record(lock, facts::kEndOfThread, "thread id in the word", joined);
  for (const auto& state : snapshot.python->thread_states)
    if (state.thread_id != 0 && state.tid != 0 && lock.futex - state.thread_id < kDescriptorSize)
      return record(lock, facts::kEndOfThread, "descriptor of thread", state.tid);
}

// PTHREAD_MUTEX_ROBUST_NORMAL_NP in __kind: __lock has the owner, and the top bit for waiters (FUTEX_WAITERS).
bool is_robust(const Mutex& mutex) {
  constexpr std::int32_t kRobust = 16;
  constexpr std::uint32_t kTidMask = 0x3fffffff, kWaiters = 0x80000000;
  const auto word = static_cast<std::uint32_t>(mutex.lock);
  return (mutex.kind & kRobust) != 0 && (word & kWaiters) != 0 &&
         (word & kTidMask) == static_cast<std::uint32_t>(mutex.owner);
}

void find_mutex_owner(const Surroundings& words, const Snapshot& snapshot, NativeLockFacts& lock) {
  constexpr std::int32_t kWaitedFor = 2, kMostKinds = 0x400;
  constexpr std::uint32_t kMostUsers = 1 << 22;
  const auto mutex = words.value<Mutex>(lock.futex);
  if (!mutex || (mutex->lock != kWaitedFor && !is_robust(*mutex)) || mutex->users == 0 || mutex->users > kMostUsers ||
      mutex->kind < 0 || mutex->kind >= kMostKinds || mutex->owner <= 0)
    return;
  if (const auto owner = thread_called(snapshot, mutex->owner); owner != 0)
    record(lock, "pthread mutex", "pthread_mutex_t.__data.__owner", owner);
}

void find_rwlock_writer(const Surroundings& words, const Snapshot& snapshot, NativeLockFacts& lock) {
  constexpr std::uint32_t kWriterHasIt = 2;
  for (const std::uint64_t offset : {offsetof(RwLock, phase_futex), offsetof(RwLock, writers_futex)}) {
    const auto rwlock = words.value<RwLock>(lock.futex, offset);
    if (!rwlock || (rwlock->readers & kWriterHasIt) == 0 || rwlock->writer <= 0) continue;
    const auto owner = thread_called(snapshot, rwlock->writer);
    if (owner == 0) continue;
    return record(lock, "pthread rwlock", "pthread_rwlock_t.__data.__cur_writer", owner);
  }
}

// A priority-inheritance futex has the owner in its own low 30 bits (FUTEX_TID_MASK, include/uapi/linux/futex.h).
void find_inheriting_owner(const Surroundings& words, const Snapshot& snapshot, NativeLockFacts& lock) {
  constexpr std::uint32_t kTidMask = 0x3fffffff;
  const auto word = words.value<std::uint32_t>(lock.futex);
  if (!word) return;
  if (const auto owner = thread_called(snapshot, *word & kTidMask); owner != 0)
    record(lock, "priority-inheritance mutex", "futex word", owner);
}

void find_recorded_owner(const Surroundings& words, const Snapshot& snapshot, const facts::Wait& wait,
                         NativeLockFacts& lock) {
  constexpr std::uint64_t kLockPi = 6, kLockPi2 = 13, kCommand = 127;
  const std::uint64_t command = wait.args.size() > 1 ? wait.args[1] & kCommand : 0;
  if (command == kLockPi || command == kLockPi2) return find_inheriting_owner(words, snapshot, lock);
  find_joined(words, snapshot, wait, lock);
  if (!lock.owner) find_mutex_owner(words, snapshot, lock);
  if (!lock.owner) find_rwlock_writer(words, snapshot, lock);
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

constexpr std::size_t kNearTop = 6;  // futex wrapper, syscall, the entry

bool in_libc(const NativeFrame& frame) {
  return frame.module.starts_with("libc.") || frame.module.starts_with("libpthread");
}

// The function that has the static, or calls pthread_once: the caller of the entry in which the thread waits.
std::optional<std::size_t> caller_of_entry(const ThreadFacts& waiter) {
  const auto& frames = waiter.native_frames;
  for (std::size_t i = 0; i + 1 < std::min(frames.size(), kNearTop); ++i)
    if (entry_of(frames[i]) != nullptr) return i + 1;
  return std::nullopt;
}

// The index of a frame of `other` that is in that function and has called on.
std::optional<std::size_t> inside(const ThreadFacts& other, std::uint64_t function) {
  const auto& theirs = other.native_frames;
  for (std::size_t i = 1; i < theirs.size(); ++i)
    if (function != 0 && theirs[i].function == function) return i;
  return std::nullopt;
}

void infer(NativeLockFacts& lock, std::string kind, std::uint64_t owner, const NativeFrame& function) {
  lock.kind = std::move(kind);
  lock.owner = owner;
  lock.evidence =
      fmt::format("both threads are inside {} ({})",
                  function.symbol.empty() ? "the same function without a name" : function.symbol, function.module);
}

// A guard has no owner, but who initializes is still inside the function that has the static, and has called on from
// there. A thread that waits for the same word is not it. In a stripped libc pthread_once waits in a function without a
// name, __pthread_once_slow, which also calls the initializer: no other one there both waits and calls back.
void find_initializer(const Snapshot& snapshot, const ThreadFacts& waiter, NativeLockFacts& lock) {
  const auto& frames = waiter.native_frames;
  const auto caller = caller_of_entry(waiter);
  if (caller) lock.kind = entry_of(frames[*caller - 1])->kind;
  for (const auto& other : snapshot.threads) {
    if (other.tid == waiter.tid || other.native_frames.empty() || other.wait.futex == waiter.wait.futex) continue;
    if (caller) {
      // pthread_once may be called from many places for one control; a static has but one function.
      const bool guard = frames[*caller - 1].symbol.starts_with("__cxa_guard");
      for (const auto index : {*caller, *caller - 1})
        if ((index == *caller || !guard) && inside(other, frames[index].function))
          return infer(lock, lock.kind, other.tid, frames[index]);
      continue;
    }
    for (std::size_t i = 0; i < std::min(frames.size(), kNearTop) && in_libc(frames[i]); ++i) {
      const auto at = frames[i].symbol.empty() ? inside(other, frames[i].function) : std::nullopt;
      if (at && !in_libc(other.native_frames[*at - 1])) return infer(lock, "pthread_once", other.tid, frames[i]);
    }
  }
}

void add_lock(Target& target, const Surroundings& words, Snapshot& snapshot, const ThreadFacts& waiter) {
  const std::uint64_t word = *waiter.wait.futex;
  const auto known = std::any_of(snapshot.native_locks.begin(), snapshot.native_locks.end(),
                                 [&](const auto& lock) { return lock.futex == word; });
  if (known || snapshot.gil_of_futex(word)) return;
  NativeLockFacts lock;
  lock.futex = word;
  lock.kind = "native lock";
  // What lies behind a guard is not its owner.
  if (!caller_of_entry(waiter)) find_recorded_owner(words, snapshot, waiter.wait, lock);
  if (!lock.owner) find_initializer(snapshot, waiter, lock);
  if (!lock.owner && lock.kind == "native lock") return;  // nothing is known of it
  if (lock.recorded)
    snapshot.readings.push_back({fmt::format("futex.{:#x}.owner", word),
                                 lock.evidence.substr(0, lock.evidence.find(' ')), RemoteAddr(word).hex(),
                                 std::to_string(*lock.owner), facts::Source::table});
  if (auto module = module_at(target, RemoteAddr(word)); module && module_name(module->path).starts_with("ld-"))
    lock.kind = "lock of the dynamic loader";
  snapshot.native_locks.push_back(std::move(lock));
}

}  // namespace

void read_native_waits(Target& target, Snapshot& snapshot) {
  if (!snapshot.python) return;
  for (auto tid : threads_of_interest(snapshot))
    for (auto& thread : snapshot.threads)
      if (thread.tid == tid) read_stack(target, thread);
  const Surroundings words(target, snapshot);
  for (const auto& thread : snapshot.threads)
    if (sleeps_on_futex(thread)) add_lock(target, words, snapshot, thread);
  if (target.kind() == TargetKind::core || target.stopped_by_host()) find_awake_waiters(target, snapshot);
}

}  // namespace hang::collect
