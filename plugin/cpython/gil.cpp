#include <algorithm>
#include <fmt/format.h>

#include "cpython/readers.h"

namespace hang::cpython {

namespace {

// The GIL of one interpreter; NULL while it has none (being created or destroyed).
Result<RemoteAddr> gil_of(Reader& reader, const Runtime& runtime, RemoteAddr interpreter) {
  // 3.12+: PyInterpreterState.ceval.gil (gh-99113, a per-interpreter GIL); before, one in _PyRuntime.
  if (reader.has("PyInterpreterState", "ceval.gil"))
    return reader.pointer("PyInterpreterState", "ceval.gil", interpreter);
  return reader.address("_PyRuntimeState", "ceval.gil", runtime.address);
}

// create_gil stores 0 or 1, and -1 means not created yet (Python/ceval_gil.c).
Result<std::optional<bool>> read_locked(Reader& reader, RemoteAddr gil) {
  auto locked = reader.signed_number("_gil_runtime_state", "locked", gil);
  if (!locked) return locked.error();
  if (*locked < -1 || *locked > 1)
    return Error{ErrorKind::inconsistent, fmt::format("{} is neither locked nor free", *locked), gil,
                 "_gil_runtime_state.locked"};
  if (*locked < 0) return std::optional<bool>();
  return std::optional<bool>(*locked == 1);
}

Result<void> read_range(Reader& reader, const char* member, RemoteAddr gil, std::uint64_t& begin, std::uint64_t& size) {
  auto field = reader.layout().field("_gil_runtime_state", member);
  if (!field) return field.error();
  begin = gil.field(field->offset).raw();
  size = field->size;
  return {};
}

int index_of(std::vector<facts::GilFacts>& gils, RemoteAddr at) {
  const auto found =
      std::find_if(gils.begin(), gils.end(), [&](const facts::GilFacts& gil) { return gil.address == at.raw(); });
  return found == gils.end() ? -1 : static_cast<int>(found - gils.begin());
}

Result<void> add_interpreter(Reader& reader, const Runtime& runtime, facts::PythonFacts& python,
                             facts::InterpreterFacts& interpreter) {
  auto at = gil_of(reader, runtime, RemoteAddr(interpreter.address));
  if (!at) return at.error();
  if (!*at) return {};
  interpreter.gil = index_of(python.gils, *at);
  if (interpreter.gil < 0) {
    auto gil = read_gil(reader, *at);
    if (!gil) return gil.error();
    interpreter.gil = static_cast<int>(python.gils.size());
    python.gils.push_back(std::move(*gil));
  }
  python.gils[static_cast<std::size_t>(interpreter.gil)].interpreters.push_back(interpreter.id);
  return {};
}

}  // namespace

Result<facts::GilFacts> read_gil(Reader& reader, RemoteAddr gil) {
  facts::GilFacts facts;
  facts.address = gil.raw();
  auto locked = read_locked(reader, gil);
  if (!locked) return locked.error();
  facts.locked = *locked;
  auto holder = reader.number("_gil_runtime_state", "last_holder", gil);
  if (!holder) return holder.error();
  facts.last_holder = *holder;
  auto switches = reader.number("_gil_runtime_state", "switch_number", gil);
  if (!switches) return switches.error();
  facts.switch_number = *switches;
  auto interval = reader.number("_gil_runtime_state", "interval", gil);
  if (!interval) return interval.error();
  facts.interval_us = *interval;
  if (auto done = read_range(reader, "cond", gil, facts.cond, facts.cond_size); !done) return done.error();
  if (auto done = read_range(reader, "mutex", gil, facts.mutex, facts.mutex_size); !done) return done.error();
  return facts;
}

Result<void> read_gils(Reader& reader, const Runtime& runtime, facts::PythonFacts& python) {
  // Main's first, so that gil 0 is always the one that Ctrl-C needs.
  for (const bool main : {true, false})
    for (facts::InterpreterFacts& interpreter : python.interpreters)
      if (interpreter.is_main == main)
        if (auto done = add_interpreter(reader, runtime, python, interpreter); !done) return done.error();
  for (facts::InterpreterFacts& interpreter : python.interpreters)
    if (interpreter.gil >= 0) interpreter.shares_main_gil = interpreter.gil == 0;
  return {};
}

void resolve_holders(facts::PythonFacts& python, Report& report) {
  for (std::size_t i = 0; i < python.gils.size(); ++i) {
    facts::GilFacts& gil = python.gils[i];
    if (!gil.locked.value_or(false)) continue;
    const facts::ThreadStateFacts* recorded = nullptr;
    for (const facts::ThreadStateFacts& state : python.thread_states)
      if (gil.last_holder == state.address) recorded = &state;
    if (recorded != nullptr && recorded->attached.value_or(true)) continue;
    // take_gil records the holder; PyThreadState_Swap up to 3.12 passes the GIL on to another thread state of the same
    // thread without it (Python/pystate.c). The one that is attached is the one that runs.
    const facts::ThreadStateFacts* attached = nullptr;
    int others = 0;
    for (const facts::ThreadStateFacts& state : python.thread_states) {
      const auto& sharers = gil.interpreters;
      if (!state.attached.value_or(false) ||
          std::find(sharers.begin(), sharers.end(), state.interpreter) == sharers.end())
        continue;
      if (recorded != nullptr && state.tid != recorded->tid) continue;
      attached = &state;
      ++others;
    }
    if (others != 1) continue;
    gil.last_holder = attached->address;
    report.reading(fmt::format("gil.{}.holder", i), "the attached PyThreadState of the GIL's last holder",
                   RemoteAddr(attached->address), std::to_string(attached->tid), facts::Source::table);
  }
}

void judge_drop_requests(Reader& reader, facts::PythonFacts& python) {
  // Up to 3.12 take_gil sets the request on the waiter's own interpreter (SET_GIL_DROP_REQUEST(interp) in
  // Python/ceval_gil.c), so a holder in another interpreter that shares the GIL never sees it. 3.13 sets a bit in the
  // holder's thread state (gh-112538).
  const bool per_thread = reader.has("PyThreadState", "eval_breaker");
  for (std::size_t i = 0; i < python.gils.size(); ++i) {
    facts::GilFacts& gil = python.gils[i];
    if (!gil.locked.value_or(false) || !gil.last_holder) continue;
    const auto holder =
        std::find_if(python.thread_states.begin(), python.thread_states.end(),
                     [&](const facts::ThreadStateFacts& state) { return state.address == *gil.last_holder; });
    if (holder == python.thread_states.end()) continue;
    const auto main = std::find_if(python.interpreters.begin(), python.interpreters.end(),
                                   [](const facts::InterpreterFacts& interpreter) { return interpreter.is_main; });
    const bool same_interpreter = i != 0 || (main != python.interpreters.end() && holder->interpreter == main->id);
    gil.drop_request_seen_by_holder = per_thread || same_interpreter;
  }
}

}  // namespace hang::cpython
