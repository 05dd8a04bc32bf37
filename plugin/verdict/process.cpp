#include "verdict/process.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace hang::verdict {

using facts::ThreadStateFacts;

Process::Process(const facts::Snapshot& snapshot) : facts_(&snapshot) {
  if (!snapshot.python) return;
  main_tid_ = snapshot.python->main_tid != 0 ? snapshot.python->main_tid : snapshot.target.pid;
  for (const auto& state : snapshot.python->thread_states) {
    if (state.tid == 0 || state.tid == main_tid_) continue;
    // A thread state can outlive its OS thread (3.11+: until threading notices); only threads that exist can act.
    if (!snapshot.threads.empty() && snapshot.thread(state.tid) == nullptr) continue;
    python_tids_.push_back(state.tid);
  }
  std::sort(python_tids_.begin(), python_tids_.end());
  python_tids_.erase(std::unique(python_tids_.begin(), python_tids_.end()), python_tids_.end());
  python_tids_.insert(python_tids_.begin(), main_tid_);
}

const facts::InterpreterFacts* Process::main_interpreter() const {
  for (const auto& interpreter : python().interpreters)
    if (interpreter.is_main) return &interpreter;
  return nullptr;
}

int Process::main_gil() const {
  const auto* interpreter = main_interpreter();
  if (interpreter == nullptr || interpreter->gil < 0) return -1;
  return interpreter->gil < static_cast<int>(python().gils.size()) ? interpreter->gil : -1;
}

std::vector<const ThreadStateFacts*> Process::states_of(std::uint64_t tid) const {
  std::vector<const ThreadStateFacts*> states;
  for (const auto& state : python().thread_states)
    if (state.tid == tid) states.push_back(&state);
  return states;
}

const ThreadStateFacts* Process::current_state(std::uint64_t tid) const {
  const auto* main = main_interpreter();
  const std::int64_t main_id = main != nullptr ? main->id : 0;
  const ThreadStateFacts* best = nullptr;
  for (const auto* state : states_of(tid)) {
    const bool better = best == nullptr || (best->frames.empty() && !state->frames.empty()) ||
                        (best->interpreter == main_id && state->interpreter != main_id && !state->frames.empty());
    if (better) best = state;
  }
  return best;
}

std::optional<int> Process::waits_for_gil(std::uint64_t tid) const {
  const auto* thread = facts_->thread(tid);
  if (thread == nullptr || thread->wait.kind != facts::WaitKind::futex || !thread->wait.futex) return std::nullopt;
  const RemoteAddr word(*thread->wait.futex);
  for (std::size_t i = 0; i < python().gils.size(); ++i) {
    const auto& gil = python().gils[i];
    // glibc 2.41 changed the inside of pthread_cond_t: any word of the condition or of its mutex counts.
    if (word.within(RemoteAddr(gil.cond), gil.cond_size) || word.within(RemoteAddr(gil.mutex), gil.mutex_size))
      return static_cast<int>(i);
  }
  return std::nullopt;
}

const facts::LoopFacts* Process::loop_of(std::uint64_t tid) const {
  for (const auto& loop : python().loops)
    if (loop.tid == tid) return &loop;
  return nullptr;
}

std::string Process::thread_label(std::uint64_t tid) const {
  if (tid == main_tid_) return fmt::format("main thread {}", tid);
  std::string name;
  for (const auto* state : states_of(tid))
    if (name.empty()) name = state->name;
  const auto* thread = facts_->thread(tid);
  if (name.empty() && thread != nullptr) name = thread->comm;
  return name.empty() ? fmt::format("thread {}", tid) : fmt::format("thread {} \"{}\"", tid, name);
}

Blame Process::blame(std::uint64_t tid) const {
  Blame blame{thread_label(tid), tid, std::nullopt, "", std::nullopt};
  if (const auto* state = current_state(tid)) {
    blame.interpreter = state->interpreter;
    if (const auto* frame = user_frame(state->frames)) blame.frame = frame_label(*frame);
  }
  return blame;
}

namespace {

// The part of a path after the last "/python3.X/" or "/site-packages/" or "/dist-packages/".
std::string library_relative(const std::string& file) {
  for (std::string_view marker : {"/site-packages/", "/dist-packages/"}) {
    if (auto at = file.rfind(marker); at != std::string::npos) return file.substr(at + marker.size());
  }
  if (auto at = file.rfind("/python3"); at != std::string::npos) {
    if (auto slash = file.find('/', at + 1); slash != std::string::npos) return file.substr(slash + 1);
  }
  return {};
}

}  // namespace

bool is_library_file(const std::string& file) {
  if (file.starts_with("<frozen ")) return true;
  const std::string relative = library_relative(file);
  if (relative.empty()) return false;
  const bool installed = file.find("-packages/") != std::string::npos;
  static constexpr std::array frameworks{"trio/", "anyio/", "uvloop/", "outcome/", "sniffio/"};
  return !installed || std::any_of(frameworks.begin(), frameworks.end(),
                                   [&](const char* prefix) { return relative.starts_with(prefix); });
}

std::string frame_label(const facts::FrameFacts& frame) {
  std::string file = library_relative(frame.file);
  if (file.empty()) {
    auto slash = frame.file.rfind('/');
    file = slash == std::string::npos ? frame.file : frame.file.substr(slash + 1);
  }
  return frame.line > 0 ? fmt::format("{}, {}:{}", frame.function, file, frame.line)
                        : fmt::format("{}, {}", frame.function, file);
}

const facts::FrameFacts* user_frame(const std::vector<facts::FrameFacts>& frames) {
  for (const auto& frame : frames)
    if (!is_library_file(frame.file)) return &frame;
  return frames.empty() ? nullptr : &frames.front();
}

std::string duration(double milliseconds) {
  if (milliseconds < 1000) return fmt::format("{:.0f} ms", milliseconds);
  if (milliseconds < 10'000) return fmt::format("{:.1f} s", milliseconds / 1000);
  if (milliseconds < 600'000) return fmt::format("{:.0f} s", milliseconds / 1000);
  if (milliseconds < 7'200'000) return fmt::format("{:.0f} min", milliseconds / 60'000);
  return fmt::format("{:.0f} h", milliseconds / 3'600'000);
}

}  // namespace hang::verdict
