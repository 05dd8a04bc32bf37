#include "verdict/shapes/shape.h"

#include <algorithm>
#include <fmt/format.h>

namespace hang::verdict {

using facts::Source;

Finding make_finding(std::string id, std::string shape, Confidence confidence) {
  Finding finding;
  finding.id = std::move(id);
  finding.shape = std::move(shape);
  finding.confidence = confidence;
  return finding;
}

void cite(Finding& finding, const facts::Snapshot& snapshot, const std::string& key) {
  if (const auto* reading = snapshot.reading(key)) finding.evidence.push_back(*reading);
}

void cite_kernel(Finding& finding, const std::string& field, const std::string& value, Source source) {
  finding.evidence.push_back({field, field, "", value, source});
}

namespace {

Source kernel_source(const facts::Snapshot& snapshot) {
  return snapshot.kernel.process.state ? Source::procfs : Source::core_note;
}

}  // namespace

void cite_wait(Finding& finding, const Process& process, std::uint64_t tid) {
  const auto& snapshot = process.facts();
  const auto* thread = process.thread(tid);
  if (thread == nullptr) return;
  std::string value = thread->wait.name.empty() ? "running" : thread->wait.name;
  if (thread->wait.futex) value += " " + RemoteAddr(*thread->wait.futex).hex();
  if (thread->wait.fd) value += fmt::format(" fd {}", *thread->wait.fd);
  if (thread->wait.timeout_ms)
    value += is_endless(thread->wait) ? ", no timeout" : fmt::format(", {} ms left", *thread->wait.timeout_ms);
  if (thread->state) value += fmt::format(" (state {})", *thread->state);
  cite_kernel(finding, fmt::format("task {} syscall", tid), value, kernel_source(snapshot));
  if (!thread->native_symbol.empty())
    cite_kernel(finding, fmt::format("task {} pc", tid),
                fmt::format("{} in {}", thread->native_symbol, thread->native_module), kernel_source(snapshot));
  if (const auto* watch = snapshot.thread_watch(tid); watch != nullptr && snapshot.watch.ms > 0)
    cite_kernel(
        finding, fmt::format("task {} cpu", tid),
        fmt::format("{:.1f} ms CPU in {}", static_cast<double>(watch->cpu_ns) / 1e6, duration(snapshot.watch.ms)),
        Source::procfs);
}

void cite_grip(Finding& finding, const Process& process, const GilGrip& grip) {
  const auto& snapshot = process.facts();
  for (const char* word : {"locked", "last_holder", "switch_number"})
    cite(finding, snapshot, fmt::format("gil.{}.{}", grip.gil, word));
  if (grip.holder != nullptr) {
    cite(finding, snapshot, fmt::format("tstate.{}.native_thread_id", RemoteAddr(grip.holder->address).hex()));
    cite(finding, snapshot, fmt::format("interpreter.{}.ceval.gil", grip.holder->interpreter));
    cite_wait(finding, process, grip.holder->tid);
  }
  for (auto tid : grip.waiters) cite_wait(finding, process, tid);
  for (const auto& line : grip.because) cite_kernel(finding, "watch", line, Source::procfs);
}

std::string doing(const Process& process, std::uint64_t tid) {
  const auto* thread = process.thread(tid);
  const auto* state = process.current_state(tid);
  std::string words;
  if (const std::string culprit = native_culprit(process, tid); !culprit.empty()) {
    words = fmt::format("inside {}", culprit);
    if (!thread->wait.name.empty()) words += " in " + thread->wait.name;
  } else if (thread != nullptr && !thread->native_symbol.empty()) {
    words = fmt::format("inside {} ({})", thread->native_symbol, thread->native_module);
  } else if (thread != nullptr && !thread->wait.name.empty()) {
    words = "in " + thread->wait.name;
  }
  if (state == nullptr || state->frames.empty()) return words;
  const auto& leaf = state->frames.front();
  words += fmt::format("{}{}", words.empty() ? "in native code called by " : ", called by ", frame_label(leaf));
  const auto* user = user_frame(state->frames);
  if (user != nullptr && user != &leaf) words += fmt::format(", from {}", frame_label(*user));
  return words;
}

const GilGrip* blocked_grip(const Case& c) {
  const int gil = c.process.main_gil();
  if (gil < 0) return nullptr;
  const auto& grip = c.graph.grips()[gil];
  return grip.grip == Grip::hogged && grip.holder != nullptr && grip.on_native_lock ? &grip : nullptr;
}

bool lock_is_owned_elsewhere(const Case& c, const GilGrip& grip) {
  const auto* lock = c.process.native_lock_of(grip.holder->tid);
  if (lock == nullptr || !lock->owner || !lock->recorded || c.process.thread(*lock->owner) == nullptr) return false;
  // One instant does not tell whether an owner that is awake will give the lock back, or waits for the GIL the next.
  if (c.process.facts().watch.ms <= 0 && c.graph.waiting(*lock->owner).waker == Waker::running) return false;
  return c.graph.deadlock_of(grip.holder->tid).empty();
}

Confidence confidence_of_sleep(const Process& process, std::uint64_t tid) {
  const auto& snapshot = process.facts();
  const auto* watch = snapshot.thread_watch(tid);
  if (snapshot.watch.ms > 0 && watch != nullptr && watch->voluntary_switches == 0 && watch->running_reads == 0)
    return Confidence::certain;
  return snapshot.watch.at_rest ? Confidence::certain : Confidence::likely;
}

bool is_busy(const facts::ThreadWatch& watch, double ms) {
  return static_cast<double>(watch.cpu_ns) / 1e6 > ms / 4 || (watch.reads > 2 && watch.running_reads * 2 > watch.reads);
}

std::string native_caller(const Process& process, std::uint64_t tid, std::string_view symbol) {
  const auto* thread = process.thread(tid);
  if (thread == nullptr) return {};
  const auto& frames = thread->native_frames;
  for (std::size_t i = 0; i + 1 < frames.size(); ++i)
    if (frames[i].symbol == symbol) return native_label(frames[i + 1]);
  return {};
}

namespace {

// A helper of the standard library waits for its owner, and does nothing else; its owner is who to look at.
bool is_helper(const facts::ThreadStateFacts& state) {
  if (is_idle_pool_worker(state)) return true;
  return std::any_of(state.frames.begin(), state.frames.end(), [](const facts::FrameFacts& frame) {
    return frame.file.ends_with("multiprocessing/resource_tracker.py") ||
           frame.file.ends_with("multiprocessing/forkserver.py") ||
           (frame.file.ends_with("concurrent/futures/process.py") && frame.function == "_process_worker");
  });
}

}  // namespace

const Actor* kept_main(const Case& c, Ability most) {
  const auto* state = c.process.current_state(c.process.main_tid());
  const auto* main = c.chain.main();
  if (state == nullptr || main == nullptr || main->links.empty() || main->ability > most || main->stopped)
    return nullptr;
  if (!c.graph.main_gets_gil() || c.process.main_exits() || is_helper(*state)) return nullptr;
  const auto* loop = c.process.loop_of(c.process.main_tid());
  return loop != nullptr && !loop->in_selector ? nullptr : main;
}

std::uint64_t end_of_joins(const Process& process, std::uint64_t tid) {
  constexpr int kMost = 16;
  for (int i = 0; i < kMost; ++i) {
    const auto joined = process.joins(tid);
    if (joined == 0) break;
    tid = joined;
  }
  return tid;
}

Blame blame_actor(const Case& c, const Actor& actor) {
  if (actor.pid == c.process.facts().target.pid) return c.process.blame(actor.tid);
  Blame blame;
  blame.thread = c.chain.label(actor);
  blame.tid = actor.tid;
  return blame;
}

void cite_chain(Finding& finding, const Case& c, const std::vector<std::size_t>& walk) {
  const auto own = c.process.facts().target.pid;
  for (const auto index : walk) {
    const auto& from = c.chain.actor(c.chain.link(index).from);
    if (from.pid == own) {
      cite_wait(finding, c.process, from.tid);
      continue;
    }
    const auto* neighbour = c.process.facts().neighbour(from.pid);
    if (neighbour == nullptr) continue;
    for (const auto& thread : neighbour->threads)
      if (thread.tid == from.tid)
        cite_kernel(finding, fmt::format("process {} task {} syscall", from.pid, from.tid),
                    fmt::format("{}{}, state {}; it did not run in {}", thread.wait.name,
                                thread.wait.fd ? fmt::format(" fd {}", *thread.wait.fd) : "",
                                thread.state.value_or('?'), duration(neighbour->looked_ms)),
                    Source::procfs);
  }
}

}  // namespace hang::verdict
