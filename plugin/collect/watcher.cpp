#include "collect/watcher.h"

#include <algorithm>
#include <optional>
#include <set>
#include <thread>

#include "collect/code_symbols.h"
#include "kernel/kernel.h"

namespace hang::collect {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Clock = steady_clock;

namespace {

// Of a process with hundreds of threads these are enough to see whether anything moves.
constexpr std::size_t kMaxThreads = 64;
constexpr int kReadsPerInterval = 12;
constexpr std::size_t kMaxFunctions = 32;  // kept of one thread

bool same_wait(const facts::Wait& a, const facts::Wait& b) {
  return a.kind == b.kind && a.syscall == b.syscall && a.args == b.args;
}

}  // namespace

Watcher::Watcher(cpython::Python& python, const facts::Snapshot& snapshot) : python_(python), snapshot_(snapshot) {
  std::vector<std::uint64_t> first{snapshot.python->main_tid};
  for (const auto& gil : snapshot.python->gils) {
    const auto* holder = gil.last_holder ? snapshot.thread_state(*gil.last_holder) : nullptr;
    if (holder != nullptr) first.push_back(holder->tid);
  }
  for (const auto& loop : snapshot.python->loops) first.push_back(loop.tid);
  for (const auto& state : snapshot.python->thread_states) first.push_back(state.tid);
  std::set<std::uint64_t> chosen;
  for (auto tid : first)
    if (tid != 0 && chosen.size() < kMaxThreads) chosen.insert(tid);
  for (auto tid : chosen) {
    const auto* thread = snapshot.thread(tid);
    if (thread == nullptr) continue;
    threads_[tid] = {
        *thread, *thread, {tid, 0, 0, 0, 1, thread->wait.kind == facts::WaitKind::none ? 1 : 0, false, 0, {}}};
  }
  for (const auto& state : snapshot.python->thread_states) {
    if (!threads_.contains(state.tid) || state.frames.empty()) continue;
    auto now = python_.progress(state.address);
    if (now) states_[state.address] = {*now, {state.address, 1, 0}};
  }
  for (std::size_t i = 0; i < snapshot.python->gils.size(); ++i) {
    Gil gil;
    gil.seen.gil = static_cast<int>(i);
    if (auto words = python_.gil_words(snapshot.python->gils[i])) {
      gil.last = *words;
      gil.first_switch = words->switch_number;
      gil.seen.reads = 1;
      gil.seen.locked_reads = words->locked ? 1 : 0;
    }
    gils_.push_back(gil);
  }
  start_samplers();
}

void Watcher::start_samplers() {
  for (const auto& gil : gils_) {
    const auto* holder = gil.last.locked ? snapshot_.thread_state(gil.last.last_holder) : nullptr;
    if (holder == nullptr || samplers_.contains(holder->tid) || !threads_.contains(holder->tid)) continue;
    // Where the kernel does not allow it, the verdict does without the native function.
    if (auto sampler = kernel::IpSampler::start(holder->tid)) samplers_.emplace(holder->tid, std::move(*sampler));
  }
}

void Watcher::stop_samplers() {
  for (auto& [tid, sampler] : samplers_) {
    std::map<std::uint64_t, int> by_address;
    for (const auto address : sampler.stop()) ++by_address[address];
    std::map<std::pair<std::string, std::string>, int> by_function;
    auto& seen = threads_[tid].seen;
    for (const auto& [address, count] : by_address) {
      seen.samples += count;
      const auto symbol = symbol_at(python_.target(), RemoteAddr(address), snapshot_.python->library);
      if (symbol) by_function[{symbol->name, symbol->module}] += count;
    }
    for (const auto& [function, count] : by_function) seen.native.push_back({function.first, function.second, count});
    std::stable_sort(seen.native.begin(), seen.native.end(),
                     [](const auto& a, const auto& b) { return a.count > b.count; });
    if (seen.native.size() > kMaxFunctions) seen.native.resize(kMaxFunctions);
  }
}

facts::Watch Watcher::run(milliseconds interval, milliseconds most) {
  const auto begin = Clock::now();
  const auto step = std::max<Clock::duration>(milliseconds(1), Clock::duration(interval) / kReadsPerInterval);
  for (;;) {
    // The clock here is the measured thing, not a synchronisation: the watch is "what moved in this time".
    std::this_thread::sleep_for(step);
    sample();
    const auto passed = Clock::now() - begin;
    if (passed >= most || (passed >= interval && !looks_stuck())) break;
  }
  look_closely();
  stop_samplers();
  return result(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
}

bool Watcher::main_gil_is_kept() const {
  if (gils_.empty()) return false;  // the main interpreter's GIL is the first
  const auto& seen = gils_.front().seen;
  return seen.reads > 0 && seen.locked_reads == seen.reads && seen.holder_changes == 0 && seen.switches == 0;
}

bool Watcher::somebody_asks() const {
  return std::any_of(threads_.begin(), threads_.end(), [&](const auto& thread) {
    const auto& wait = thread.second.last.wait;
    return wait.futex && snapshot_.gil_of_futex(*wait.futex) == 0;
  });
}

// A waiter tells the eval loop, which answers, from one long call. Where nobody asks, all depends on how long the call
// lasts: calls of tens and hundreds of milliseconds are common, and if it is the main thread that calls, nobody
// suffers.
milliseconds Watcher::how_long(std::uint64_t holder) const {
  constexpr milliseconds kAsked{150}, kUnasked{600}, kMainAlone{2500};
  if (somebody_asks() || snapshot_.python->signals.is_tripped == true) return kAsked;
  return holder == snapshot_.python->main_tid ? kMainAlone : kUnasked;
}

std::optional<kernel::WriteTrap> Watcher::trap(std::uint64_t tid, const Result<RemoteAddr>& word) {
  if (!word) return std::nullopt;
  auto started = kernel::WriteTrap::start(tid, word->raw());
  return started ? std::optional(std::move(*started)) : std::nullopt;
}

// A holder of the main interpreter's GIL that was never seen to move: one endless call, or many short ones, or a loop
// of one instruction, or a call that lets the GIL go between its steps (Py_BEGIN_ALLOW_THREADS).
void Watcher::look_closely() {
  const auto found = main_gil_is_kept() ? states_.find(gils_.front().last.last_holder) : states_.end();
  const auto* holder = found == states_.end() ? nullptr : snapshot_.thread_state(found->first);
  if (holder == nullptr || found->second.seen.changes > 0) return;
  auto& seen = found->second.seen;
  // The trap misses no instruction; where there is none, many reads miss few.
  constexpr milliseconds kStep{5};
  const auto instruction = trap(holder->tid, python_.instruction_word(holder->address));
  const auto locked = trap(holder->tid, python_.locked_word(snapshot_.python->gils.front()));
  auto& gil = gils_.front().seen;
  const auto end = Clock::now() + how_long(holder->tid);
  while (seen.changes == 0 && !gil.let_go && main_gil_is_kept() && Clock::now() < end) {
    if (instruction) std::this_thread::sleep_for(kStep);
    const bool moved =
        instruction ? instruction->sprung() : python_.instruction_moves(holder->address, kStep).value_or(true);
    sample();
    if (moved) ++seen.changes;
    gil.let_go = locked && locked->sprung();
  }
}

void Watcher::sample() {
  sample_gils();
  sample_states();
  sample_threads();
}

void Watcher::sample_threads() {
  for (auto& [tid, thread] : threads_) {
    auto now = kernel::read_thread(snapshot_.target.pid, tid);
    if (!now) {  // it ended: that is movement
      thread.seen.wait_changed = true;
      continue;
    }
    ++thread.seen.reads;
    if (now->wait.kind == facts::WaitKind::none) ++thread.seen.running_reads;
    if (!same_wait(now->wait, thread.last.wait)) thread.seen.wait_changed = true;
    thread.last = std::move(*now);
  }
}

void Watcher::sample_states() {
  for (auto& [address, state] : states_) {
    auto now = python_.progress(address);
    ++state.seen.reads;
    if (now && *now == state.last) continue;
    ++state.seen.changes;  // also when it could not be read: frames that come and go do move
    if (now) state.last = *now;
  }
}

void Watcher::sample_gils() {
  for (auto& gil : gils_) {
    auto words = python_.gil_words(snapshot_.python->gils[gil.seen.gil]);
    if (!words) continue;
    ++gil.seen.reads;
    if (words->locked) ++gil.seen.locked_reads;
    if (words->last_holder != gil.last.last_holder) ++gil.seen.holder_changes;
    gil.seen.switches = words->switch_number - gil.first_switch;
    gil.last = *words;
  }
}

bool Watcher::looks_stuck() const {
  if (main_gil_is_kept()) return true;
  for (const auto& loop : snapshot_.python->loops) {
    auto it = threads_.find(loop.tid);
    if (loop.in_selector || it == threads_.end()) continue;
    const auto& seen = it->second.seen;
    if (!seen.wait_changed && seen.running_reads == 0) return true;
  }
  return false;
}

facts::Watch Watcher::result(double ms) const {
  facts::Watch watch;
  watch.ms = ms;
  auto delta = [](const std::optional<std::uint64_t>& before, const std::optional<std::uint64_t>& after) {
    return before && after && *after >= *before ? *after - *before : 0;
  };
  for (const auto& [tid, thread] : threads_) {
    auto seen = thread.seen;
    seen.cpu_ns = delta(thread.first.cpu_ns, thread.last.cpu_ns);
    seen.voluntary_switches = delta(thread.first.voluntary_switches, thread.last.voluntary_switches);
    seen.involuntary_switches = delta(thread.first.involuntary_switches, thread.last.involuntary_switches);
    watch.threads.push_back(seen);
  }
  for (const auto& [address, state] : states_) watch.states.push_back(state.seen);
  for (const auto& gil : gils_) watch.gils.push_back(gil.seen);
  return watch;
}

}  // namespace hang::collect
