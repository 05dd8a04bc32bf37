// The readers of this layer, one file each; Python calls them in this order. All of them bound their walks, name the
// field in their errors, and never treat unreadable as zero.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cpython/object.h"
#include "cpython/python.h"
#include "cpython/reader.h"
#include "cpython/runtime.h"
#include "facts/facts.h"

namespace hang::cpython {

// What a reader writes besides its own facts: decisive reads for the report, and what could not be read.
class Report {
 public:
  explicit Report(facts::Snapshot& snapshot) : snapshot_(&snapshot) {}
  void reading(std::string key, std::string field, RemoteAddr address, std::string value, facts::Source source);
  // The same for a member of a struct.
  void reading(Reader& reader, std::string key, std::string_view type, std::string_view member, RemoteAddr object,
               std::string value);
  void gap(std::string what, const Error& why, std::vector<std::string> would_decide);

 private:
  facts::Snapshot* snapshot_;
};

// interpreter.cpp: the list _PyRuntime.interpreters, newest first.
Result<std::vector<facts::InterpreterFacts>> read_interpreters(Reader& reader, const Runtime& runtime);

// gil.cpp: the distinct GILs, main's first, and each interpreter's index into them.
Result<void> read_gils(Reader& reader, const Runtime& runtime, facts::PythonFacts& python);
Result<facts::GilFacts> read_gil(Reader& reader, RemoteAddr gil);
// Needs thread states: puts the thread state that has a GIL in the place of one that only took it for the same thread.
void resolve_holders(facts::PythonFacts& python, Report& report);
// Needs thread states: would the holder's eval loop notice a waiter?
void judge_drop_requests(Reader& reader, facts::PythonFacts& python);

// thread_state.cpp: the thread states of every interpreter, newest first in each, without frames and names.
// No more than `most` are read. The kernel's own limit on threads (PID_MAX_LIMIT, 4 million) divided among interpreters
// is more than enough; a longer list is broken.
inline constexpr std::size_t kMaxThreadStates = 1'000'000;
Result<std::vector<facts::ThreadStateFacts>> read_thread_states(
    Reader& reader, const Runtime& runtime, const std::vector<facts::InterpreterFacts>& interpreters, std::size_t most);
// Native thread id of the main thread; the pid if no thread state tells.
std::uint64_t read_main_tid(Reader& reader, const Runtime& runtime, const facts::PythonFacts& python);

// thread_identity.cpp: puts the thread that runs a state in the place of the one that made it, where the two differ.
void correct_threads(Reader& reader, const Runtime& runtime, facts::PythonFacts& python, Report& report);

// frame.cpp: fills frames and frames_complete. An error says why they are not complete; what was readable stays.
Result<void> read_frames(Reader& reader, facts::ThreadStateFacts& state);
// Does the innermost frame stand at a call? Absent without frames or where the instruction cannot be read.
std::optional<bool> stands_at_call(Reader& reader, const facts::ThreadStateFacts& state);
// One frame by its address, as of a suspended coroutine; fails where there is no Python code.
Result<facts::FrameFacts> read_frame(Reader& reader, RemoteAddr frame);
Result<RemoteAddr> innermost_frame(Reader& reader, RemoteAddr tstate);
// Who owns a frame (enum _frameowner), and the one outside of it.
struct FrameLink {
  std::int64_t owner = 0;
  RemoteAddr previous;
};
Result<FrameLink> link_of_frame(Reader& reader, RemoteAddr frame);
// The code object of a frame; `absent_field` for a frame that belongs to C.
Result<RemoteAddr> code_of_frame(Reader& reader, RemoteAddr frame);
// Address of the instruction a frame is at.
Result<std::uint64_t> instruction_of_frame(Reader& reader, RemoteAddr frame);

// with_blocks.cpp: the objects whose `with` blocks are open in a frame that has called on or is suspended, outermost
// first: proof of what it holds.
Result<std::vector<RemoteAddr>> open_with_blocks(Reader& reader, RemoteAddr frame);

// What a value on the stack is the exit method of, or the value itself: up to 3.13 `with` keeps the bound __exit__,
// from 3.14 on the function and the object (BEFORE_WITH, LOAD_SPECIAL).
RemoteAddr holder_of(Reader& reader, RemoteAddr value);

// code.cpp
Result<Code*> read_code(Reader& reader, RemoteAddr code);
// Line of a code unit (an index, may be -1 before the first); 0 if the code has no location there.
int line_of(Reader& reader, Code& code, std::int64_t unit);
// Decodes a location table (Objects/locations.md of 3.11+): the line of code unit `unit`, 0 for none.
int decode_line(std::span<const std::byte> table, std::int64_t first_line, std::int64_t unit);

// The names of globals and attributes in the code of a frame (co_names); empty if they cannot be read.
std::vector<std::string> names_of_code(Reader& reader, RemoteAddr frame);

// threading_names.cpp: Thread._name and _daemonic by ident, per interpreter.
void read_thread_names(Reader& reader, facts::PythonFacts& python, Report& report);

// signals.cpp. The check is for open(): are the words of _PyRuntime.signals (3.12+) in range?
Result<void> check_signals(Reader& reader, const Runtime& runtime);
void read_signals(Reader& reader, const Runtime& runtime, facts::PythonFacts& python, Report& report);
// Marks the main thread's frames that are Python handlers of signals, called by the interpreter.
void mark_handlers(Reader& reader, const Runtime& runtime, facts::PythonFacts& python);

// callable.cpp
Result<Callable> read_callable(Reader& reader, RemoteAddr object);

}  // namespace hang::cpython
