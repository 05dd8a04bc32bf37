// Python: one CPython runtime in a target: its layout, and the readers of interpreters, GILs, thread states, frames,
// signal state and objects. Reads only; every walk has a budget.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cpython/layout/layout.h"
#include "cpython/object.h"
#include "cpython/runtime.h"
#include "facts/facts.h"
#include "target/target.h"

namespace hang::cpython {

class Reader;

// A local variable of a frame.
struct Local {
  std::string name;
  RemoteAddr value;  // NULL if unbound
};

// The few words of a GIL that the watch re-reads, as they are in memory: GilFacts::last_holder may name another thread
// state of the same thread, the one that runs.
struct GilWords {
  bool locked = false;
  std::uint64_t last_holder = 0, switch_number = 0;
};

// Where a thread state stands, in a form that is compared and never interpreted.
struct Progress {
  std::uint64_t frame = 0, instruction = 0, locals = 0;  // innermost frame, its instruction, a digest of its locals
  bool operator==(const Progress&) const = default;
};

class Report;

class Python {
 public:
  // Finds the runtime, chooses the layout, and checks that it fits (interpreter list closed and containing a main
  // one, thread states pointing back to their interpreter, GIL words in range; 3.13+: shipped table against
  // _Py_DebugOffsets). A layout that does not fit is `inconsistent` naming the field: no guess is made.
  // Of two runtimes in one process the likelier that is initialized; the report says that there is another.
  static Result<std::unique_ptr<Python>> open(Target& target, const RuntimeOptions& options = {});
  Python(const Python&) = delete;
  Python& operator=(const Python&) = delete;
  ~Python();

  // Fills snapshot.python (all but loops), appends readings for the decisive fields and gaps for what was not readable.
  // Reading keys: "gil.N.locked", "gil.N.last_holder", "gil.N.switch_number", "signals.wakeup.fd",
  // "signals.wakeup.warn_on_full_buffer", "signals.is_tripped", "signals.handlers.2.tripped",
  // "signals.handlers.2.func", "interpreter.ID.ceval.gil", "tstate.0xADDR.native_thread_id".
  Result<void> read(facts::Snapshot& snapshot);

  // Forgets what was read of the target's memory; read() and the re-reads below do it by themselves.
  void refresh();

  // Cheap re-reads, for the watch: always from the target as it is now.
  Result<GilWords> gil_words(const facts::GilFacts& gil);
  Result<Progress> progress(std::uint64_t tstate);
  Result<RemoteAddr> current_frame(std::uint64_t tstate);
  // Where the eval loop writes which instruction the innermost frame stands at: at each one (3.14+: at least at those
  // that can call C code or look at the eval breaker), so that within one call into C there is no such write.
  Result<RemoteAddr> instruction_word(std::uint64_t tstate);
  // Where CPython notes that the GIL is taken.
  Result<RemoteAddr> locked_word(const facts::GilFacts& gil);
  // Reads the innermost frame's instruction as fast as it can, for `most` or until it moves. A thread that makes one
  // short C call after the other stands at the call nearly always; this sees the moments between.
  Result<bool> instruction_moves(std::uint64_t tstate, std::chrono::microseconds most);

  // Locals of a frame by name (fast locals, cells and free variables resolved), bounded.
  Result<std::vector<Local>> locals(RemoteAddr frame);
  Result<RemoteAddr> local(RemoteAddr frame, const std::string& name);
  Result<Callable> describe_callable(RemoteAddr object);

  // The lock of threading that a thread state waits for with the futex word of its system call, by what its frames'
  // names lead to, and which frames of `all` hold it. Nothing if it is no such lock, or none that was found.
  std::optional<facts::LockFacts> awaited_lock(const facts::ThreadStateFacts& state, std::uint64_t futex,
                                               const std::vector<facts::ThreadStateFacts>& all);
  // What takes a KeyboardInterrupt that is raised where the thread waits (exception_handlers.h).
  std::optional<facts::CaughtInterrupt> caught_interrupt(const facts::ThreadStateFacts& state, RemoteAddr interpreter);
  // True if a thread that waits with that futex word is inside get() of the SimpleQueue of C (Modules/_queuemodule.c).
  bool waits_in_queue(RemoteAddr queue, std::uint64_t futex);
  // The thread_id of the threading.Thread whose join() the state is inside of.
  std::optional<std::uint64_t> joined_thread(const facts::ThreadStateFacts& state);

  [[nodiscard]] const Runtime& runtime() const { return runtime_; }
  [[nodiscard]] const layout::Layout& layout() const { return *layout_; }
  [[nodiscard]] Target& target() { return *target_; }
  [[nodiscard]] Objects objects() { return Objects(*this); }
  [[nodiscard]] Reader& reader() { return *reader_; }

 private:
  Python(Target& target, Runtime runtime, std::unique_ptr<layout::Layout> layout);
  static Result<std::unique_ptr<Python>> open_runtime(Target& target, const Runtime& runtime);
  void report_choice(Report& report) const;
  Result<void> still_there();

  Target* target_;
  Runtime runtime_;
  std::unique_ptr<layout::Layout> layout_;
  std::unique_ptr<Reader> reader_;
  std::vector<std::string> other_runtimes_;  // initialized, but not looked at: "CPython 3.11.2 in /path"
};

}  // namespace hang::cpython
