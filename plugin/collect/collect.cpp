#include "collect/collect.h"

#include <algorithm>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <future>
#include <iterator>
#include <thread>

#include "collect/code_symbols.h"
#include "collect/namespaces.h"
#include "collect/native_waits.h"
#include "collect/neighbours.h"
#include "collect/sidecar.h"
#include "collect/subprocesses.h"
#include "collect/waits.h"
#include "collect/watcher.h"
#include "cpython/python.h"
#include "kernel/kernel.h"
#include "loops/loops.h"

namespace hang::collect {

using cpython::Python;
using facts::Snapshot;
using facts::ThreadFacts;
using facts::WaitKind;
using std::chrono::milliseconds;

namespace {

// A watch that has seen something stuck goes on this long before it is called certain.
constexpr milliseconds kMostWatch{550};
constexpr int kMostIntervals = 11;

// What the target says of itself as a whole.
void describe_process(Target& target, Snapshot& snapshot) {
  const TargetProcess process = target.process();
  snapshot.kernel.process.ppid = process.parent;
  snapshot.kernel.process.pgrp = process.group;
  snapshot.kernel.process.session = process.session;
  snapshot.target.died = process.died;
  for (const TargetFlaw& flaw : target.flaws()) snapshot.gaps.push_back({flaw.what, flaw.why, {}});
}

// Threads that a debugger or a core shows by their registers only.
void threads_from_registers(Target& target, Snapshot& snapshot) {
  auto threads = target.threads();
  if (!threads) {
    snapshot.gaps.push_back({"threads", threads.error().describe(), {"S1", "G3", "L1", "L3"}});
    return;
  }
  for (const auto& thread : *threads) {
    ThreadFacts facts;
    facts.tid = thread.tid;
    if (thread.registers && thread.registers->syscall_known) {
      facts.wait = kernel::decode_syscall(thread.registers->syscall, thread.registers->args);
      facts.pc = thread.registers->pc;
    }
    facts.sig_blk = thread.blocked_signals;
    facts.sig_pnd = thread.pending_signals;
    snapshot.threads.push_back(std::move(facts));
  }
  const bool masks = std::any_of(threads->begin(), threads->end(), [](const auto& t) { return t.blocked_signals; });
  snapshot.gaps.push_back(
      {masks ? "CPU time, descriptors, queues and peers" : "signal masks, CPU time, descriptors, queues and peers",
       "the core has no kernel state",
       {"S5", "L1", "N3"}});
}

// The program counter of a thread that runs user code, where the debugger that stopped it can tell.
void add_program_counters(Target& target, Snapshot& snapshot) {
  if (!target.stopped_by_host() && target.kind() != TargetKind::core) return;
  auto threads = target.threads();
  if (!threads) return;
  for (const auto& thread : *threads) {
    auto it = std::find_if(snapshot.threads.begin(), snapshot.threads.end(),
                           [&](const auto& t) { return t.tid == thread.tid; });
    if (it == snapshot.threads.end() || !thread.registers) continue;
    it->pc = thread.registers->pc;
    if (it->wait.kind != WaitKind::none) continue;
    auto symbol = symbol_at(target, RemoteAddr(thread.registers->pc), snapshot.python ? snapshot.python->library : "");
    if (!symbol) continue;
    it->native_symbol = symbol->name;
    it->native_module = symbol->module;
  }
}

// The function in which a running thread was seen most often during the watch.
void add_sampled_functions(Snapshot& snapshot) {
  for (const auto& watch : snapshot.watch.threads) {
    if (watch.native.empty()) continue;
    for (auto& thread : snapshot.threads) {
      if (thread.tid != watch.tid || thread.wait.kind != WaitKind::none || !thread.native_symbol.empty()) continue;
      thread.native_symbol = watch.native.front().symbol;
      thread.native_module = watch.native.front().module;
    }
  }
}

bool is_holder(const Snapshot& snapshot, std::uint64_t tid) {
  return std::any_of(snapshot.python->gils.begin(), snapshot.python->gils.end(), [&](const facts::GilFacts& gil) {
    const auto* holder = gil.last_holder ? snapshot.thread_state(*gil.last_holder) : nullptr;
    return gil.locked == true && holder != nullptr && holder->tid == tid;
  });
}

// Running, or in a futex call that wakes others, as when a mutex is given back.
bool is_awake(const ThreadFacts& thread) {
  const auto kind = thread.wait.kind;
  return kind == WaitKind::none || (kind == WaitKind::other && thread.wait.name == "futex");
}

// A thread that waits for the GIL wakes every 5 ms to ask for it, and on a loaded machine then waits for a CPU. Seen at
// such a moment it "runs" without the GIL, which Python code cannot; look again until it is where it lives. What has
// the GIL may run; but it may wait for the GIL as another thread state (G2), so it gets a short second look.
void settle_waiters(Snapshot& snapshot) {
  constexpr std::chrono::microseconds kFirstLook{300}, kLastLook{10'000}, kLastLookAtHolder{1000};
  for (auto& thread : snapshot.threads) {
    const bool python = std::any_of(snapshot.python->thread_states.begin(), snapshot.python->thread_states.end(),
                                    [&](const auto& s) { return s.tid == thread.tid; });
    if (!python || !is_awake(thread)) continue;
    const auto last = is_holder(snapshot, thread.tid) ? kLastLookAtHolder : kLastLook;
    for (auto pause = kFirstLook; pause < last && is_awake(thread); pause *= 2) {
      std::this_thread::sleep_for(pause);
      auto again = kernel::read_thread(snapshot.target.pid, thread.tid);
      if (!again) break;
      thread = std::move(*again);
    }
  }
}

bool is_handling(const facts::ThreadStateFacts& state) {
  return std::any_of(state.frames.begin(), state.frames.end(),
                     [](const facts::FrameFacts& frame) { return frame.handler.has_value(); });
}

// What Python's own objects say of waits on locks: whose end a join waits for, and which lock the main thread sleeps on
// inside a signal handler or while CPython is finalized. Of others the lock is not looked for: nothing is decided by it
// yet, and the search costs milliseconds.
void read_python_waits(Python& python, Snapshot& snapshot) {
  for (auto& state : snapshot.python->thread_states) {
    const auto* thread = state.frames.empty() ? nullptr : snapshot.thread(state.tid);
    if (thread == nullptr || thread->wait.kind != WaitKind::futex || !thread->wait.futex) continue;
    state.joins = python.joined_thread(state);
    const bool main = state.tid == snapshot.python->main_tid;
    if (!main || (!is_handling(state) && snapshot.python->finalizing != true)) continue;
    if (auto lock = python.awaited_lock(state, *thread->wait.futex, snapshot.python->thread_states))
      snapshot.python->locks.push_back(std::move(*lock));
  }
}

// Where the interrupt of Ctrl-C would end that is raised in a main thread asleep. While it runs, that depends on where
// it is when the signal comes.
void read_caught_interrupt(Python& python, Snapshot& snapshot) {
  auto& facts = *snapshot.python;
  const auto* main = snapshot.thread(facts.main_tid);
  if (facts.signals.sigint_handler != facts::HandlerKind::default_int_handler || main == nullptr ||
      main->wait.kind == WaitKind::none || main->wait.kind == WaitKind::unknown)
    return;
  for (auto& state : facts.thread_states) {
    if (state.tid != facts.main_tid || state.frames.empty()) continue;
    for (const auto& interpreter : facts.interpreters)
      if (interpreter.id == state.interpreter && interpreter.is_main)
        state.interrupt = python.caught_interrupt(state, RemoteAddr(interpreter.address));
  }
}

class Collector {
 public:
  Collector(Target& target, const Options& options) : target_(target), options_(options) {}

  Result<Snapshot> run() {
    auto opened = Python::open(target_, {options_.assumed_minor});
    if (!opened) return opened.error();
    python_ = std::move(*opened);
    auto snapshot = sample();
    if (!snapshot) return snapshot;
    snapshot->watch.skipped = why_no_watch(*snapshot);
    if (snapshot->watch.skipped.empty() && at_rest(*snapshot)) {
      snapshot->watch.at_rest = true;
      snapshot->watch.skipped = "every thread sleeps and none moved";
    }
    if (!snapshot->watch.skipped.empty()) return snapshot;
    const auto most = std::max(options_.interval, std::min(options_.interval * kMostIntervals, kMostWatch));
    auto watch = Watcher(*python_, *snapshot).run(options_.interval, most);
    auto last = sample();
    if (!last) return last;
    last->watch = std::move(watch);
    look_between_turns(*last);
    add_sampled_functions(*last);
    return last;
  }

 private:
  Result<Snapshot> sample();
  Result<Snapshot> read_once();
  void look_between_turns(Snapshot& last);
  Result<void> read_kernel(Snapshot& snapshot);
  Result<void> read_both(Snapshot& snapshot);
  void describe_target(Snapshot& snapshot);
  [[nodiscard]] std::string why_no_watch(const Snapshot& snapshot) const;
  [[nodiscard]] bool at_rest(const Snapshot& snapshot) const;

  Target& target_;
  Options options_;
  std::unique_ptr<Python> python_;
};

void Collector::describe_target(Snapshot& snapshot) {
  snapshot.taken_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
  snapshot.target.kind = target_.kind() == TargetKind::core ? facts::TargetKind::core
                         : target_.local()                  ? facts::TargetKind::live
                                                            : facts::TargetKind::remote;
  snapshot.target.pid = target_.pid();
  snapshot.target.stopped_by_host = target_.stopped_by_host() && target_.kind() == TargetKind::live;
  snapshot.target.one_instant = target_.one_instant();
  snapshot.target.host =
      snapshot.target.stopped_by_host || snapshot.target.kind == facts::TargetKind::core ? "debugger" : "native";
  if (auto modules = target_.modules(); modules && !modules->empty()) snapshot.target.exe = modules->front().path;
}

Result<void> Collector::read_kernel(Snapshot& snapshot) {
  if (!target_.local()) {
    threads_from_registers(target_, snapshot);
    describe_process(target_, snapshot);
    return {};
  }
  if (auto done = kernel::read_process(target_.pid(), snapshot); !done) return done.error();
  if (auto done = kernel::read_fds(target_.pid(), snapshot); !done)
    snapshot.gaps.push_back({"descriptors", done.error().describe(), {"L1", "N3", "S1"}});
  return {};
}

// The kernel's view and CPython's, at the same time where the two have nothing to do with each other: that halves the
// time over which a process that runs on is smeared.
Result<void> Collector::read_both(Snapshot& snapshot) {
  if (!target_.local()) {
    if (auto done = read_kernel(snapshot); !done) return done;
    if (auto done = python_->read(snapshot); !done) return done;
    if (options_.sidecar != nullptr) add_sidecar(*options_.sidecar, target_, snapshot);
    number_threads(target_, snapshot);
    translate_threads(snapshot);
    return {};
  }
  Snapshot kernel;
  auto reading = std::async(std::launch::async, [&] { return read_kernel(kernel); });
  auto python = python_->read(snapshot);
  auto done = reading.get();
  if (!done) return done;
  if (!python) return python;
  snapshot.threads = std::move(kernel.threads);
  snapshot.kernel = std::move(kernel.kernel);
  const auto append = [](auto& to, auto& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  append(snapshot.readings, kernel.readings);
  append(snapshot.gaps, kernel.gaps);
  translate_threads(snapshot);
  return {};
}

// What moved under the reader: frames that do not hang together, or a loop that was there and could not be read.
bool is_torn(const Snapshot& snapshot) {
  const auto& python = *snapshot.python;
  const auto broken = [&](const facts::ThreadStateFacts& state) {
    return !state.frames_complete || (state.frames.empty() && state.tid == python.main_tid && state.interpreter == 0);
  };
  return std::any_of(python.thread_states.begin(), python.thread_states.end(), broken) ||
         std::any_of(python.loops.begin(), python.loops.end(),
                     [](const facts::LoopFacts& loop) { return loop.object == 0 || !loop.tasks_known; });
}

Result<Snapshot> Collector::sample() {
  constexpr int kMostReads = 3;
  auto snapshot = read_once();
  const bool moves = target_.local() && !target_.stopped_by_host();
  for (int again = 1; again < kMostReads && moves && snapshot && is_torn(*snapshot); ++again)
    if (auto next = read_once()) snapshot = std::move(next);
  return snapshot;
}

bool is_asleep(const ThreadFacts& thread) {
  return thread.wait.kind != WaitKind::none && thread.wait.timeout_ms != 0;
}

// A search through objects that change underneath ends nowhere, as one does that is too long.
bool was_cut_short(const facts::LoopFacts& loop) {
  return std::any_of(loop.tasks.begin(), loop.tasks.end(),
                     [](const facts::TaskFacts& task) { return task.parked.searched == false; });
}

// The thread of a loop that slept and woke during the watch and was in a turn while the sample was taken: it has a
// heartbeat, or a client came. 0 = there is none.
std::uint64_t thread_in_a_turn(const Snapshot& snapshot) {
  for (const auto& loop : snapshot.python->loops) {
    const auto* thread = snapshot.thread(loop.tid);
    const auto* seen = snapshot.thread_watch(loop.tid);
    if (thread == nullptr || seen == nullptr || seen->running_reads == seen->reads) continue;
    const bool woke = seen->wait_changed || seen->voluntary_switches > 0;
    if (woke && (!loop.in_selector || !is_asleep(*thread) || was_cut_short(loop))) return loop.tid;
  }
  return 0;
}

// What the tasks of a loop wait for is to be seen while the loop sleeps. Where the last sample falls into one of its
// short turns, which a loaded machine makes long, it is taken again as soon as the thread sleeps.
void Collector::look_between_turns(Snapshot& last) {
  constexpr milliseconds kLongest{300};
  constexpr std::chrono::microseconds kPause{300};
  constexpr int kMostSamples = 6;
  const auto end = std::chrono::steady_clock::now() + kLongest;
  int samples = 0;
  for (auto tid = thread_in_a_turn(last); tid != 0 && samples < kMostSamples; tid = thread_in_a_turn(last), ++samples) {
    for (auto now = kernel::read_thread(last.target.pid, tid); now && !is_asleep(*now);
         now = kernel::read_thread(last.target.pid, tid)) {
      if (std::chrono::steady_clock::now() > end) return;
      std::this_thread::sleep_for(kPause);
    }
    auto next = sample();
    if (!next || std::chrono::steady_clock::now() > end) return;
    next->watch = std::move(last.watch);
    last = std::move(*next);
  }
}

Result<Snapshot> Collector::read_once() {
  Snapshot snapshot;
  describe_target(snapshot);
  if (auto done = read_both(snapshot); !done) return done.error();
  if (target_.local() && !target_.stopped_by_host()) settle_waiters(snapshot);
  complete_waits(target_, snapshot.threads);
  read_native_waits(target_, snapshot);
  add_program_counters(target_, snapshot);
  read_python_waits(*python_, snapshot);
  read_caught_interrupt(*python_, snapshot);
  loops::read_loops(*python_, snapshot);
  if (options_.channels) loops::read_channels(*python_, snapshot);
  read_subprocesses(*python_, snapshot);
  translate_children(snapshot);
  if (target_.local()) read_neighbours(snapshot);
  return snapshot;
}

// True if no thread can have moved while the sample was taken, nor will by itself: all sleep in the kernel, none in the
// short waits of the GIL, and their switch counts are what they were. Then a second sample would show the same.
bool Collector::at_rest(const Snapshot& snapshot) const {
  for (const auto& thread : snapshot.threads) {
    if (thread.wait.kind == WaitKind::none || thread.wait.kind == WaitKind::unknown) return false;
    auto now = kernel::read_thread(snapshot.target.pid, thread.tid);
    if (!now || now->voluntary_switches != thread.voluntary_switches || now->cpu_ns != thread.cpu_ns) return false;
  }
  for (const auto& gil : snapshot.python->gils)
    if (gil.locked != false) return false;
  // A blocked loop needs time to tell a hang from a short call.
  return std::all_of(snapshot.python->loops.begin(), snapshot.python->loops.end(),
                     [](const auto& loop) { return loop.in_selector; });
}

std::string Collector::why_no_watch(const Snapshot& snapshot) const {
  if (target_.kind() == TargetKind::core) return "a core is one instant";
  if (target_.stopped_by_host()) return "the debugger holds the process";
  if (!target_.local()) return "the process is on another machine";
  if (options_.interval.count() <= 0) return "--interval 0";
  const auto state = snapshot.kernel.process.state;
  if (state == 'T' || state == 't') return "the process is stopped";
  return {};
}

}  // namespace

Result<Snapshot> collect(Target& target, const Options& options) {
  return Collector(target, options).run();
}

}  // namespace hang::collect
