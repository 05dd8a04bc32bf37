#include "verdict/process.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <fmt/format.h>

namespace hang::verdict {

using facts::ThreadStateFacts;

Process::Process(const facts::Snapshot& snapshot) : facts_(&snapshot) {
  for (const auto& thread : snapshot.threads) threads_.emplace(thread.tid, &thread);
  if (!snapshot.python) return;
  for (const auto& state : snapshot.python->thread_states) states_[state.tid].push_back(&state);
  main_tid_ = snapshot.python->main_tid != 0 ? snapshot.python->main_tid : snapshot.target.pid;
  for (const auto& state : snapshot.python->thread_states) {
    if (state.tid == 0 || state.tid == main_tid_) continue;
    // A thread state can outlive its OS thread (3.11+: until threading notices); only threads that exist can act.
    if (!snapshot.threads.empty() && thread(state.tid) == nullptr) continue;
    python_tids_.push_back(state.tid);
  }
  std::sort(python_tids_.begin(), python_tids_.end());
  python_tids_.erase(std::unique(python_tids_.begin(), python_tids_.end()), python_tids_.end());
  python_tids_.insert(python_tids_.begin(), main_tid_);
  std::unordered_map<std::uint64_t, std::uint64_t> tid_of;  // of a thread state that is on top of its thread
  for (const auto tid : python_tids_)
    if (const auto* state = current_state(tid)) tid_of[state->address] = tid;
  for (const auto& awaited : snapshot.python->awaited)
    if (const auto found = tid_of.find(awaited.waiter); found != tid_of.end())
      awaited_[found->second].push_back(&awaited);
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

const facts::ThreadFacts* Process::thread(std::uint64_t tid) const {
  const auto found = threads_.find(tid);
  return found == threads_.end() ? nullptr : found->second;
}

const std::vector<const ThreadStateFacts*>& Process::states_of(std::uint64_t tid) const {
  static const std::vector<const ThreadStateFacts*> none;
  const auto found = states_.find(tid);
  return found == states_.end() ? none : found->second;
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

std::string Process::takes_sigint() const {
  constexpr std::uint64_t kSigint = 1 << 1;
  const auto* main = main_thread();
  if (main == nullptr || !main->sig_blk) return {};
  for (const auto& thread : facts_->threads)
    // The kernel prefers the main thread where that does not block it (complete_signal, kernel/signal.c). While a
    // thread is in rt_sigtimedwait what it waits for is not in its SigBlk.
    if ((thread.wait.signals.value_or(0) & kSigint) != 0 &&
        (thread.tid == main_tid_ || (*main->sig_blk & kSigint) != 0))
      return fmt::format("the {}, which waits for it in {}", thread_label(thread.tid), thread.wait.name);
  const bool blocked = std::all_of(facts_->threads.begin(), facts_->threads.end(), [](const auto& thread) {
    return !thread.sig_blk || (*thread.sig_blk & kSigint) != 0;
  });
  for (const auto& fd : facts_->kernel.fds)
    if (blocked && (fd.signals.value_or(0) & kSigint) != 0) return fmt::format("fd {}, a signalfd", fd.fd);
  return {};
}

bool Process::stack_is_known(std::uint64_t tid) const {
  const auto& states = states_of(tid);
  return !states.empty() &&
         std::all_of(states.begin(), states.end(), [](const auto* state) { return state->frames_complete; });
}

const facts::CaughtInterrupt* Process::caught_interrupt() const {
  const auto* state = current_state(main_tid_);
  const bool raises = python().signals.sigint_handler == facts::HandlerKind::default_int_handler;
  return raises && state != nullptr && state->interrupt ? &*state->interrupt : nullptr;
}

std::optional<int> Process::waits_for_gil(std::uint64_t tid) const {
  const auto* thread = this->thread(tid);
  if (thread != nullptr && thread->takes_gil) return thread->takes_gil;
  if (thread == nullptr || thread->wait.kind != facts::WaitKind::futex || !thread->wait.futex) return std::nullopt;
  return facts_->gil_of_futex(*thread->wait.futex);
}

namespace {

bool is_shutdown(const ThreadStateFacts& state) {
  return !state.frames.empty() && state.frames.back().function == "_shutdown" &&
         state.frames.back().file.ends_with("threading.py");
}

// A thread that Python started; nobody's C code is outside of its first frame.
bool is_started_thread(const ThreadStateFacts& state) {
  return state.frames_complete && !state.frames.empty() && state.frames.back().function == "_bootstrap" &&
         state.frames.back().file.ends_with("threading.py");
}

bool has_native(const facts::ThreadFacts* thread, std::string_view symbol) {
  return thread != nullptr && std::any_of(thread->native_frames.begin(), thread->native_frames.end(),
                                          [&](const auto& frame) { return frame.symbol == symbol; });
}

}  // namespace

const facts::InterpreterFacts* Process::closes(std::uint64_t tid) const {
  const auto* state = current_state(tid);
  const auto* main = main_interpreter();
  if (state == nullptr || main == nullptr || state->interpreter == main->id) return nullptr;
  const auto* interpreter = facts_->interpreter(state->interpreter);
  if (interpreter == nullptr || state->frames.empty()) return nullptr;
  // Py_EndInterpreter makes the call from C, so that nothing of Python is outside of it; then, in its atexit functions,
  // only the native stack shows where it is; after those the interpreter says who it is.
  if (is_shutdown(*state) || has_native(thread(tid), "Py_EndInterpreter")) return interpreter;
  if (interpreter->finalizing != true) return nullptr;
  const auto by = interpreter->finalized_by.value_or(0);
  return (by != 0 ? by == state->address : !is_started_thread(*state)) ? interpreter : nullptr;
}

bool Process::main_exits() const {
  const auto* state = current_state(main_tid_);
  const auto* main = main_interpreter();
  return state != nullptr && main != nullptr && state->interpreter == main->id && is_shutdown(*state);
}

std::vector<std::uint64_t> Process::joined_at_end(std::int64_t interpreter, std::uint64_t closer) const {
  std::vector<std::uint64_t> joined;
  for (const auto& state : python().thread_states)
    if (state.interpreter == interpreter && state.tid != closer && state.tid != 0 && state.daemon == false &&
        thread(state.tid) != nullptr)
      joined.push_back(state.tid);
  return joined;
}

std::uint64_t Process::joins(std::uint64_t tid) const {
  const auto* state = current_state(tid);
  if (state == nullptr || !state->joins) return 0;
  for (const auto& other : python().thread_states)
    if (other.thread_id == *state->joins && other.tid != tid && thread(other.tid) != nullptr) return other.tid;
  return 0;
}

const std::vector<const facts::AwaitedFacts*>& Process::awaited(std::uint64_t tid) const {
  static const std::vector<const facts::AwaitedFacts*> none;
  const auto found = awaited_.find(tid);
  return found == awaited_.end() ? none : found->second;
}

const facts::LockFacts* Process::lock_of(std::uint64_t tid) const {
  for (const auto& lock : python().locks)
    if (const auto* state = current_state(tid); state != nullptr && lock.waiter == state->address) return &lock;
  return nullptr;
}

const facts::NativeLockFacts* Process::native_lock_of(std::uint64_t tid) const {
  const auto* thread = this->thread(tid);
  if (thread == nullptr || thread->wait.kind != facts::WaitKind::futex || !thread->wait.futex) return nullptr;
  for (const auto& lock : facts_->native_locks)
    if (lock.futex == *thread->wait.futex) return &lock;
  return nullptr;
}

const facts::LoopFacts* Process::loop_of(std::uint64_t tid) const {
  for (const auto& loop : python().loops)
    if (loop.tid == tid) return &loop;
  return nullptr;
}

bool Process::is_inherited(const facts::LoopFacts& loop) const {
  const auto* writer = loop.wakeup_writer ? facts_->fd(*loop.wakeup_writer) : nullptr;
  if (writer == nullptr || !writer->unix_socket || !facts_->kernel.process.ppid) return false;
  const auto& holders = writer->unix_socket->peer_holders;
  return std::any_of(holders.begin(), holders.end(), [&](const facts::Holder& holder) {
    return static_cast<std::int64_t>(holder.pid) == *facts_->kernel.process.ppid;
  });
}

std::string Process::thread_label(std::uint64_t tid) const {
  if (tid == main_tid_) return fmt::format("main thread {}", tid);
  // A subinterpreter's threading module calls a thread that it did not start MainThread or Dummy-1; the interpreter
  // that did start it knows its name.
  std::string name;
  for (const auto* state : states_of(tid)) {
    const bool given = state->name != "MainThread" && !state->name.starts_with("Dummy-");
    if (name.empty() || (given && !state->name.empty())) name = state->name;
    if (given && !name.empty()) break;
  }
  const auto* thread = this->thread(tid);
  if (name.empty() && thread != nullptr) name = thread->comm;
  return name.empty() ? fmt::format("thread {}", tid) : fmt::format("thread {} \"{}\"", tid, name);
}

std::string awaited_label(const facts::AwaitedFacts& awaited) {
  if (awaited.object == 0) return "an answer of trio's thread";
  return fmt::format("the {} at {}", awaited.type.substr(awaited.type.rfind('.') + 1),
                     RemoteAddr(awaited.object).hex());
}

std::string native_label(const facts::NativeFrame& frame) {
  return fmt::format("{} ({})", frame.symbol.empty() ? "a function without a name" : frame.symbol, frame.module);
}

std::string native_culprit(const Process& process, std::uint64_t tid) {
  const auto* thread = process.thread(tid);
  if (thread == nullptr || !process.facts().python) return {};
  const auto& library = process.python().library;
  const std::string cpython = library.substr(library.rfind('/') + 1);
  const auto* state = process.current_state(tid);
  const bool has_python = state != nullptr && !state->frames.empty();
  for (const auto& frame : thread->native_frames) {
    const bool system = frame.module.starts_with("libc.") || frame.module.starts_with("ld-") ||
                        frame.module.starts_with("libpthread") || frame.module.starts_with("libstdc++");
    // Below CPython's own functions is what Python's frames tell better, if there are any.
    if (frame.module == cpython && has_python) return {};
    if (!system && frame.module != cpython) return native_label(frame);
  }
  return {};
}

Blame Process::blame(std::uint64_t tid) const {
  Blame blame{thread_label(tid), tid, std::nullopt, "", std::nullopt};
  if (const auto* state = current_state(tid)) {
    blame.interpreter = state->interpreter;
    if (const auto* frame = user_frame(state->frames)) blame.frame = frame_label(*frame);
  }
  if (blame.frame.empty()) blame.frame = native_culprit(*this, tid);
  return blame;
}

namespace {

// Where the last `marker` in the path begins. Paths are asked about thousands of times in a process with many threads;
// rfind() compares at every character, find() at the few that begin like the marker.
std::size_t last_of(std::string_view path, std::string_view marker) {
  std::size_t last = std::string_view::npos;
  for (auto at = path.find(marker); at != std::string_view::npos; at = path.find(marker, at + 1)) last = at;
  return last;
}

// The part of a path after the last "/python3.X/" or "/site-packages/" or "/dist-packages/".
std::string_view library_relative(std::string_view file) {
  for (std::string_view marker : {"/site-packages/", "/dist-packages/"}) {
    if (auto at = last_of(file, marker); at != std::string_view::npos) return file.substr(at + marker.size());
  }
  if (auto at = last_of(file, "/python3"); at != std::string_view::npos) {
    if (auto slash = file.find('/', at + 1); slash != std::string_view::npos) return file.substr(slash + 1);
  }
  return {};
}

}  // namespace

bool is_library_file(const std::string& file) {
  if (file.starts_with("<frozen ")) return true;
  const std::string_view relative = library_relative(file);
  if (relative.empty()) return false;
  const bool installed = file.find("-packages/") != std::string::npos;
  static constexpr std::array frameworks{"trio/", "anyio/", "uvloop/", "outcome/", "sniffio/"};
  return !installed || std::any_of(frameworks.begin(), frameworks.end(),
                                   [&](const char* prefix) { return relative.starts_with(prefix); });
}

std::optional<std::size_t> handler_frame(const ThreadStateFacts& state) {
  for (std::size_t i = 0; i < state.frames.size(); ++i)
    if (state.frames[i].handler) return i;
  return std::nullopt;
}

std::optional<std::size_t> finalizer_frame(const ThreadStateFacts& state) {
  for (std::size_t i = 0; i < state.frames.size(); ++i)
    if (state.frames[i].entry &&
        (state.frames[i].function.ends_with(".__del__") || state.frames[i].function == "__del__"))
      return i;
  return std::nullopt;
}

std::string signal_name(int number) {
  const char* name = sigabbrev_np(number);
  return name == nullptr ? fmt::format("signal {}", number) : fmt::format("SIG{}", name);
}

std::string capital(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(text[0]));
  return text;
}

std::string frame_label(const facts::FrameFacts& frame) {
  std::string_view file = library_relative(frame.file);
  if (file.empty()) {
    auto slash = frame.file.rfind('/');
    file = std::string_view(frame.file).substr(slash == std::string::npos ? 0 : slash + 1);
  }
  return frame.line > 0 ? fmt::format("{}, {}:{}", frame.function, file, frame.line)
                        : fmt::format("{}, {}", frame.function, file);
}

facts::FrameFacts handler_line(const ThreadStateFacts& state, const facts::CaughtInterrupt& caught) {
  facts::FrameFacts frame = state.frames[caught.frame];
  if (caught.line > 0) frame.line = caught.line;
  return frame;
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
