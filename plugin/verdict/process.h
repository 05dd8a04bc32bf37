// Process: the facts with the joins that every walk and shape needs. Reads nothing, decides nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "facts/facts.h"
#include "verdict/verdict.h"

namespace hang::verdict {

// A view of one snapshot, which must outlive it.
class Process {
 public:
  explicit Process(const facts::Snapshot& snapshot);

  [[nodiscard]] const facts::Snapshot& facts() const { return *facts_; }
  // Only call when facts().python is there; classify() checks that first.
  [[nodiscard]] const facts::PythonFacts& python() const { return *facts_->python; }

  [[nodiscard]] std::uint64_t main_tid() const { return main_tid_; }
  // By tid; null if there is no such thread. In constant time, as states_of(): reports ask for thousands of threads.
  [[nodiscard]] const facts::ThreadFacts* thread(std::uint64_t tid) const;
  [[nodiscard]] const facts::ThreadFacts* main_thread() const { return thread(main_tid_); }
  [[nodiscard]] const facts::InterpreterFacts* main_interpreter() const;
  // Index of the GIL that the main interpreter uses; -1 if not read.
  [[nodiscard]] int main_gil() const;

  // The thread states of an OS thread; several when it runs code of several interpreters.
  [[nodiscard]] const std::vector<const facts::ThreadStateFacts*>& states_of(std::uint64_t tid) const;
  // The one whose frames are on top of that thread's C stack: of several with frames, the subinterpreter's, because
  // exec() in a subinterpreter nests inside the caller's frames and empties its own when it returns.
  [[nodiscard]] const facts::ThreadStateFacts* current_state(std::uint64_t tid) const;
  // Its Python stacks were read to their ends. One that was not may block a loop, join a thread or hold a lock.
  [[nodiscard]] bool stack_is_known(std::uint64_t tid) const;
  // Who takes SIGINT before any handler could run, in words: a thread in sigwait() while the main thread blocks it, or
  // a signalfd while all do. "" if nobody does.
  [[nodiscard]] std::string takes_sigint() const;
  // OS threads that have a thread state, main first, then by tid.
  [[nodiscard]] const std::vector<std::uint64_t>& python_tids() const { return python_tids_; }

  // The GIL whose condition or mutex the thread's futex word lies in; nothing if it waits for no GIL.
  [[nodiscard]] std::optional<int> waits_for_gil(std::uint64_t tid) const;
  // The interpreter that the thread is closing: Py_EndInterpreter runs threading._shutdown in it and joins its threads.
  [[nodiscard]] const facts::InterpreterFacts* closes(std::uint64_t tid) const;
  // The main thread is at the end of the program, in threading._shutdown of the main interpreter.
  [[nodiscard]] bool main_exits() const;
  // The threads that the end of `interpreter` waits for: its own that are not daemons and exist, but for `closer`.
  [[nodiscard]] std::vector<std::uint64_t> joined_at_end(std::int64_t interpreter, std::uint64_t closer) const;
  // The thread whose end `tid` waits for in Thread.join; 0 if none.
  [[nodiscard]] std::uint64_t joins(std::uint64_t tid) const;
  // What it blocks on in Python, where that was read: a Future, an Event, an answer of trio's thread.
  [[nodiscard]] const std::vector<const facts::AwaitedFacts*>& awaited(std::uint64_t tid) const;
  // The lock of threading that it waits for, and the native one; null if not known.
  [[nodiscard]] const facts::LockFacts* lock_of(std::uint64_t tid) const;
  [[nodiscard]] const facts::NativeLockFacts* native_lock_of(std::uint64_t tid) const;
  // What takes the KeyboardInterrupt of a Ctrl-C in the main thread; null if nothing was seen that would, or if another
  // handler of SIGINT raises none.
  [[nodiscard]] const facts::CaughtInterrupt* caught_interrupt() const;
  // The loop that thread runs, innermost first; null if none.
  [[nodiscard]] const facts::LoopFacts* loop_of(std::uint64_t tid) const;

  // The loop was made before this process was forked: its parent has the wakeup pair too, and the frames that run the
  // loop are a copy of the parent's.
  [[nodiscard]] bool is_inherited(const facts::LoopFacts& loop) const;

  // 6908 "subint-driver[1" (threading name, else the kernel's); "main thread 6907" for the main thread.
  [[nodiscard]] std::string thread_label(std::uint64_t tid) const;
  [[nodiscard]] Blame blame(std::uint64_t tid) const;

 private:
  const facts::Snapshot* facts_;
  std::uint64_t main_tid_ = 0;
  std::vector<std::uint64_t> python_tids_;
  std::unordered_map<std::uint64_t, const facts::ThreadFacts*> threads_;
  std::unordered_map<std::uint64_t, std::vector<const facts::AwaitedFacts*>> awaited_;
  std::unordered_map<std::uint64_t, std::vector<const facts::ThreadStateFacts*>> states_;
};

// "match, re/__init__.py:167": the file without what leads to the library or the working directory.
std::string frame_label(const facts::FrameFacts& frame);
// The innermost frame outside the standard library and installed frameworks, else the innermost one; null if none.
const facts::FrameFacts* user_frame(const std::vector<facts::FrameFacts>& frames);
// The frame that takes an interrupt, at the line of the handler.
facts::FrameFacts handler_line(const facts::ThreadStateFacts& state, const facts::CaughtInterrupt& caught);
// "the Future at 0x7f.."
std::string awaited_label(const facts::AwaitedFacts& awaited);
// "f (libx.so)"
std::string native_label(const facts::NativeFrame& frame);
// The innermost function of a thread's native stack that is not libc's nor CPython's; "" if none is known, or if
// Python's frames tell better.
std::string native_culprit(const Process& process, std::uint64_t tid);
// Index of the innermost frame that is a Python signal handler, or a finalizer (__del__), called by the interpreter.
std::optional<std::size_t> handler_frame(const facts::ThreadStateFacts& state);
std::optional<std::size_t> finalizer_frame(const facts::ThreadStateFacts& state);
// "SIGINT"; "signal 40" for one without a name.
std::string signal_name(int number);
// "Thread 12 ..." of "thread 12 ...".
std::string capital(std::string text);
// True for files of the standard library and of the event-loop frameworks.
bool is_library_file(const std::string& file);
// "0.55 s", "50 ms", "12 s", "2 h"
std::string duration(double milliseconds);

}  // namespace hang::verdict
