#include <algorithm>
#include <fmt/format.h>

#include "base/budget.h"
#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr const char* kState = "PyThreadState";

// Whether the thread state is attached: the thread may run bytecode and, with a GIL, has it.
std::optional<bool> is_attached(Reader& reader, const Runtime& runtime, RemoteAddr at) {
  if (reader.has(kState, "state")) {  // 3.13+
    auto state = reader.signed_number(kState, "state", at);
    if (!state) return std::nullopt;
    return *state != reader.constant("_Py_THREAD_DETACHED");
  }
  if (reader.has(kState, "_status")) {  // 3.12
    auto active = reader.bits(kState, "_status", "active", at);
    if (!active) return std::nullopt;
    return *active != 0;
  }
  auto current = reader.pointer("_PyRuntimeState", "gilstate.tstate_current", runtime.address);
  if (!current) return std::nullopt;
  return *current == at;
}

std::optional<bool> drop_requested(Reader& reader, RemoteAddr at, RemoteAddr interpreter) {
  if (reader.has(kState, "eval_breaker")) {  // 3.13+
    auto breaker = reader.number(kState, "eval_breaker", at);
    if (!breaker) return std::nullopt;
    return (*breaker & static_cast<std::uint64_t>(reader.constant("_PY_GIL_DROP_REQUEST_BIT", 1))) != 0;
  }
  auto request = reader.number("PyInterpreterState", "ceval.gil_drop_request", interpreter);
  if (!request) return std::nullopt;
  return *request != 0;
}

Result<facts::ThreadStateFacts> read_state(Reader& reader, const Runtime& runtime, RemoteAddr at,
                                           const facts::InterpreterFacts& interpreter) {
  auto back = reader.number(kState, "interp", at);
  if (!back) return back.error();
  if (*back != interpreter.address)
    return Error{ErrorKind::inconsistent,
                 fmt::format("points to {:#x}, but is in the list of interpreter {} at {:#x}", *back, interpreter.id,
                             interpreter.address),
                 at, "PyThreadState.interp"};
  facts::ThreadStateFacts facts;
  facts.address = at.raw();
  facts.interpreter = interpreter.id;
  auto tid = reader.number(kState, "native_thread_id", at);
  if (!tid) return tid.error();
  facts.tid = *tid;
  auto ident = reader.number(kState, "thread_id", at);
  if (!ident) return ident.error();
  facts.thread_id = *ident;
  if (reader.has(kState, "_status"))
    if (auto bound = reader.bits(kState, "_status", "bound_gilstate", at)) facts.bound_gilstate = *bound != 0;
  facts.attached = is_attached(reader, runtime, at);
  facts.drop_request = drop_requested(reader, at, RemoteAddr(interpreter.address));
  return facts;
}

Result<void> walk(Reader& reader, const Runtime& runtime, const facts::InterpreterFacts& interpreter, std::size_t most,
                  std::vector<facts::ThreadStateFacts>& list) {
  auto at = reader.pointer("PyInterpreterState", "threads.head", RemoteAddr(interpreter.address));
  if (!at) return at.error();
  Budget budget(fmt::format("thread states of interpreter {}", interpreter.id), kMaxThreadStates);
  while (*at && list.size() < most) {
    if (auto step = budget.visit(*at); !step) return step.error();
    auto facts = read_state(reader, runtime, *at, interpreter);
    if (!facts) return facts.error();
    list.push_back(std::move(*facts));
    at = reader.pointer(kState, "next", *at);
    if (!at) return at.error();
  }
  return {};
}

// The lists of all interpreters, one step in each at a time: a call for 51 pages costs little more than one for a page.
void prefetch_lists(Reader& reader, const std::vector<facts::InterpreterFacts>& interpreters, std::size_t most) {
  std::vector<RemoteAddr> level;
  for (const facts::InterpreterFacts& interpreter : interpreters)
    if (auto head = reader.pointer("PyInterpreterState", "threads.head", RemoteAddr(interpreter.address));
        head && *head)
      level.push_back(*head);
  for (std::size_t seen = 0; level.size() > 1 && seen < most; seen += level.size()) {
    reader.prefetch(level);
    std::vector<RemoteAddr> next;
    for (const RemoteAddr at : level)
      if (auto after = reader.pointer(kState, "next", at); after && *after) next.push_back(*after);
    level = std::move(next);
  }
}

}  // namespace

Result<std::vector<facts::ThreadStateFacts>> read_thread_states(
    Reader& reader, const Runtime& runtime, const std::vector<facts::InterpreterFacts>& interpreters,
    std::size_t most) {
  std::vector<facts::ThreadStateFacts> all;
  prefetch_lists(reader, interpreters, most);
  for (const facts::InterpreterFacts& interpreter : interpreters)
    if (auto done = walk(reader, runtime, interpreter, most, all); !done) return done.error();
  return all;
}

std::uint64_t read_main_tid(Reader& reader, const Runtime& runtime, const facts::PythonFacts& python) {
  // _PyRuntime.main_thread is a pthread_t; only a thread state knows which kernel thread that is.
  if (auto ident = reader.number("_PyRuntimeState", "main_thread", runtime.address))
    for (const facts::ThreadStateFacts& state : python.thread_states)
      if (state.thread_id == *ident && state.tid != 0) return state.tid;
  return reader.target().pid();
}

}  // namespace hang::cpython
