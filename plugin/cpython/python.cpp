#include "cpython/python.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "cpython/exception_handlers.h"
#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr int kTornReads = 3;

// The lists: everything that must hang together before anything else is worth reading.
Result<facts::PythonFacts> read_lists(Reader& reader, const Runtime& runtime, std::size_t most_states) {
  facts::PythonFacts python;
  auto interpreters = read_interpreters(reader, runtime);
  if (!interpreters) return interpreters.error();
  python.interpreters = std::move(*interpreters);
  if (auto gils = read_gils(reader, runtime, python); !gils) return gils.error();
  auto states = read_thread_states(reader, runtime, python.interpreters, most_states);
  if (!states) return states.error();
  python.thread_states = std::move(*states);
  return python;
}

// A live target runs on while it is read: an interpreter or a thread may come or go during a walk, and then the walk
// looks like corruption. A few fresh walks tell the two apart.
Result<facts::PythonFacts> read_lists_of_moving_target(Reader& reader, const Runtime& runtime,
                                                       std::size_t most_states = kMaxThreadStates) {
  auto python = read_lists(reader, runtime, most_states);
  const bool moving = reader.target().kind() == TargetKind::live && !reader.target().stopped_by_host();
  for (int again = 1; again < kTornReads && moving && !python; ++again) {
    const ErrorKind kind = python.error().kind;
    if (kind != ErrorKind::inconsistent && kind != ErrorKind::unreadable) break;
    reader.flush_memory();
    python = read_lists(reader, runtime, most_states);
  }
  return python;
}

void fill_identity(facts::PythonFacts& python, const Runtime& runtime) {
  python.version = runtime.version;
  python.hexversion = runtime.hexversion;
  python.build = {to_string(runtime.flavour)};
  python.library = runtime.module.path;
  python.runtime = runtime.address.raw();
}

void report_gils(Reader& reader, const facts::PythonFacts& python, Report& report) {
  constexpr const char* kGil = "_gil_runtime_state";
  for (std::size_t i = 0; i < python.gils.size(); ++i) {
    const facts::GilFacts& gil = python.gils[i];
    const RemoteAddr at(gil.address);
    const auto key = [&](const char* member) { return fmt::format("gil.{}.{}", i, member); };
    report.reading(reader, key("locked"), kGil, "locked", at, !gil.locked ? "-1" : *gil.locked ? "1" : "0");
    report.reading(reader, key("last_holder"), kGil, "last_holder", at, RemoteAddr(*gil.last_holder).hex());
    report.reading(reader, key("switch_number"), kGil, "switch_number", at, std::to_string(*gil.switch_number));
  }
}

void report_states(Reader& reader, const facts::PythonFacts& python, Report& report) {
  if (reader.has("PyInterpreterState", "ceval.gil"))
    for (const facts::InterpreterFacts& interpreter : python.interpreters) {
      const RemoteAddr gil = interpreter.gil < 0
                                 ? RemoteAddr()
                                 : RemoteAddr(python.gils[static_cast<std::size_t>(interpreter.gil)].address);
      report.reading(reader, fmt::format("interpreter.{}.ceval.gil", interpreter.id), "PyInterpreterState", "ceval.gil",
                     RemoteAddr(interpreter.address), gil.hex());
    }
  for (const facts::ThreadStateFacts& state : python.thread_states)
    report.reading(reader, fmt::format("tstate.{:#x}.native_thread_id", state.address), "PyThreadState",
                   "native_thread_id", RemoteAddr(state.address), std::to_string(state.tid));
}

// Every interpreter that is there must hold numbers that its fields can have; an offset that is off by a field does
// not.
Result<void> check_ranges(Reader& reader, const facts::PythonFacts& python) {
  for (const facts::InterpreterFacts& interpreter : python.interpreters) {
    const RemoteAddr at(interpreter.address);
    if (interpreter.id < 0 || (interpreter.is_main && interpreter.id != 0))
      return Error{ErrorKind::inconsistent, fmt::format("{} is not its id", interpreter.id), at,
                   "PyInterpreterState.id"};
    if (interpreter.whence && (*interpreter.whence < reader.constant("_PyInterpreterState_WHENCE_NOTSET") ||
                               *interpreter.whence > reader.constant("_PyInterpreterState_WHENCE_MAX", 5)))
      return Error{ErrorKind::inconsistent, fmt::format("{} is not an origin", *interpreter.whence), at,
                   "PyInterpreterState._whence"};
  }
  for (const facts::GilFacts& gil : python.gils) {
    constexpr std::uint64_t kMaxInterval = 3'600'000'000;  // an hour; the default is 5000
    if (*gil.interval_us == 0 || *gil.interval_us > kMaxInterval)
      return Error{ErrorKind::inconsistent, fmt::format("a switch interval of {} us", *gil.interval_us),
                   RemoteAddr(gil.address), "_gil_runtime_state.interval"};
  }
  return {};
}

// What code objects lead to and frames are described by.
void prefetch_codes(Reader& reader, const std::set<std::uint64_t>& codes) {
  std::vector<RemoteAddr> parts;
  for (const std::uint64_t code : codes)
    for (const char* member : {"co_linetable", "co_filename", "co_qualname"})
      if (auto part = reader.pointer("PyCodeObject", member, RemoteAddr(code))) parts.push_back(*part);
  reader.prefetch(parts);
}

// The frames of all thread states, level by level, as far as most go: of hundreds of threads each page alone would cost
// a system call.
void prefetch_frames(Reader& reader, const facts::PythonFacts& python) {
  constexpr int kLevels = 12;
  const bool by_cframe = reader.has("PyThreadState", "cframe");
  std::vector<RemoteAddr> level, next;
  std::set<std::uint64_t> codes;
  for (const facts::ThreadStateFacts& state : python.thread_states)
    if (auto first = by_cframe ? reader.pointer("PyThreadState", "cframe", RemoteAddr(state.address))
                               : innermost_frame(reader, RemoteAddr(state.address));
        first && *first)
      level.push_back(*first);
  reader.prefetch(level);
  for (int depth = 0; depth < kLevels && !level.empty(); ++depth) {
    next.clear();
    for (const RemoteAddr at : level) {
      const bool cframe = by_cframe && depth == 0;
      auto outer = cframe ? reader.pointer("_PyCFrame", "current_frame", at)
                          : reader.pointer("_PyInterpreterFrame", "previous", at);
      if (outer && *outer) next.push_back(*outer);
      auto code = cframe ? Result<RemoteAddr>(RemoteAddr()) : code_of_frame(reader, at);
      if (code && *code && codes.insert(code->raw()).second) next.push_back(*code);
    }
    reader.prefetch(next);
    std::erase_if(next, [&](RemoteAddr at) { return codes.contains(at.raw()); });
    level.swap(next);
  }
  prefetch_codes(reader, codes);
}

}  // namespace

void Report::reading(std::string key, std::string field, RemoteAddr address, std::string value, facts::Source source) {
  snapshot_->readings.push_back({std::move(key), std::move(field), address.hex(), std::move(value), source});
}

void Report::reading(Reader& reader, std::string key, std::string_view type, std::string_view member, RemoteAddr object,
                     std::string value) {
  auto field = reader.layout().field(type, member);
  if (!field) return;
  reading(std::move(key), fmt::format("{}.{}", type, member), object.field(field->offset), std::move(value),
          field->source);
}

void Report::gap(std::string what, const Error& why, std::vector<std::string> would_decide) {
  snapshot_->gaps.push_back({std::move(what), why.describe(), std::move(would_decide)});
}

Python::Python(Target& target, Runtime runtime, std::unique_ptr<layout::Layout> layout)
    : target_(&target),
      runtime_(std::move(runtime)),
      layout_(std::move(layout)),
      reader_(std::make_unique<Reader>(target, *layout_)) {
  reader_->string_hash.emplace(target, runtime_.module);
}

Python::~Python() = default;

Result<std::unique_ptr<Python>> Python::open_runtime(Target& target, const Runtime& runtime) {
  auto layout = layout::Layout::choose(target, runtime);
  if (!layout) return layout.error();
  std::unique_ptr<Python> python(new Python(target, runtime, std::move(*layout)));

  Reader& reader = python->reader();
  // Whether a layout fits shows in a few thread states as well as in thousands.
  constexpr std::size_t kEnoughStates = 32;
  auto lists = read_lists_of_moving_target(reader, python->runtime_, kEnoughStates);
  if (!lists) return lists.error();
  if (auto fits = check_ranges(reader, *lists); !fits) return fits.error();
  if (auto fits = check_signals(reader, python->runtime_); !fits) return fits.error();
  return python;
}

Result<std::unique_ptr<Python>> Python::open(Target& target, const RuntimeOptions& options) {
  auto runtimes = find_runtimes(target, options);
  if (!runtimes) return runtimes.error();
  // A process may have two libpythons; one that was never initialized is no runtime.
  std::unique_ptr<Python> chosen;
  std::optional<Error> first_error;
  for (const Runtime& runtime : *runtimes) {
    auto python = open_runtime(target, runtime);
    if (!python && python.error().kind == ErrorKind::inconsistent && !runtime.flavour_known) {
      Runtime debug = runtime;
      debug.flavour = Flavour::debug;
      if (auto other = open_runtime(target, debug)) python = std::move(other);
    }
    if (!python) {
      if (!first_error) first_error = python.error();
    } else if (chosen) {
      chosen->other_runtimes_.push_back(fmt::format("CPython {} in {}", runtime.version, runtime.module.path));
    } else {
      chosen = std::move(*python);
    }
  }
  if (!chosen) return *first_error;
  return chosen;
}

// What the reader of a report must know of how the runtime was chosen.
void Python::report_choice(Report& report) const {
  if (runtime_.assumed)
    report.gap(
        "whether the layout fits",
        Error{ErrorKind::unsupported_version,
              fmt::format("CPython {} was read as 3.{}, as --assume-python asked", runtime_.version, runtime_.minor())},
        {});
  for (const std::string& other : other_runtimes_)
    report.gap("what the process' other Python runtime does",
               Error{ErrorKind::budget, fmt::format("only one is looked at, and {} is another", other)}, {});
}

void Python::refresh() {
  reader_->flush();
}

Result<void> Python::read(facts::Snapshot& snapshot) {
  reader_->flush();
  auto lists = read_lists_of_moving_target(*reader_, runtime_);
  if (!lists) return lists.error();
  facts::PythonFacts& python = snapshot.python.emplace(std::move(*lists));
  Report report(snapshot);
  fill_identity(python, runtime_);
  report_choice(report);
  if (auto finalizing = reader_->pointer("_PyRuntimeState", "_finalizing", runtime_.address)) {
    python.finalizing = static_cast<bool>(*finalizing);
    report.reading(*reader_, "runtime.finalizing", "_PyRuntimeState", "_finalizing", runtime_.address,
                   finalizing->hex());
  }
  // finalize_subinterpreters (Python/pylifecycle.c): up to 3.12 an interpreter that is left aborts the exit or is
  // ignored, 3.13 has it in some micro releases, from 3.14 on it closes them.
  constexpr int kSometimes = 13;
  if (runtime_.minor() != kSometimes) python.exit_closes_interpreters = runtime_.minor() > kSometimes;
  python.main_tid = read_main_tid(*reader_, runtime_, python);
  report_states(*reader_, python, report);
  prefetch_frames(*reader_, python);
  correct_threads(*reader_, runtime_, python, report);
  report_gils(*reader_, python, report);
  resolve_holders(python, report);
  judge_drop_requests(*reader_, python);
  for (facts::ThreadStateFacts& state : python.thread_states) {
    if (auto frames = read_frames(*reader_, state); !frames)
      report.gap(fmt::format("some Python frames of thread {}", state.tid), frames.error(), {"L1", "L3", "G3"});
    state.at_call = stands_at_call(*reader_, state);
  }
  read_thread_names(*reader_, python, report);
  read_signals(*reader_, runtime_, python, report);
  mark_handlers(*reader_, runtime_, python);
  python.providers = layout_->providers_used();
  return still_there();
}

// A process that ends (or execs) while it is read looks like one with nothing readable in it: that is no answer.
Result<void> Python::still_there() {
  auto place = reader_->address("_PyRuntimeState", "interpreters.main", runtime_.address);
  if (!place) return place.error();
  auto main = read_value<std::uint64_t>(*target_, *place, "_PyRuntimeState.interpreters.main");  // not what is cached
  if (!main) return main.error();
  if (*main == 0)
    return Error{ErrorKind::no_such_process, "the interpreter was finalized while it was read", runtime_.address,
                 "_PyRuntimeState.interpreters.main"};
  return {};
}

std::optional<facts::CaughtInterrupt> Python::caught_interrupt(const facts::ThreadStateFacts& state,
                                                               RemoteAddr interpreter) {
  return find_caught_interrupt(*reader_, state, interpreter);
}

Result<Callable> Python::describe_callable(RemoteAddr object) {
  return read_callable(*reader_, object);
}

}  // namespace hang::cpython
