// Python's side of signals: the flags that the C handler sets, the wakeup fd, and what Python would call for SIGINT.
#include <csignal>
#include <fmt/format.h>
#include <map>

#include "cpython/readers.h"
#include "cpython/signal_statics.h"

namespace hang::cpython {

namespace {

const std::vector<std::string> kDecides = {"S1", "S3", "S4", "S5", "L1"};

// Where the signal state lies. In 3.12+ it is _PyRuntime.signals (gh-99300); in 3.11 it is three file-static variables
// of Modules/signalmodule.c.
struct Places {
  RemoteAddr wakeup_fd, warn, is_tripped;
  RemoteAddr handlers;  // of signal 0
  std::uint64_t tripped_offset = 0, func_offset = 0, stride = 0;
  facts::Source source = facts::Source::table;
};

Result<Places> places_in_runtime(Reader& reader, const Runtime& runtime) {
  constexpr const char* kRuntime = "_PyRuntimeState";
  auto& layout = reader.layout();
  auto tripped0 = layout.field(kRuntime, "signals.handlers[0].tripped");
  auto tripped1 = layout.field(kRuntime, "signals.handlers[1].tripped");
  auto func0 = layout.field(kRuntime, "signals.handlers[0].func");
  auto fd = layout.field(kRuntime, "signals.wakeup.fd");
  auto warn = layout.field(kRuntime, "signals.wakeup.warn_on_full_buffer");
  auto is_tripped = layout.field(kRuntime, "signals.is_tripped");
  for (const auto* field : {&tripped0, &tripped1, &func0, &fd, &warn, &is_tripped})
    if (!*field) return field->error();
  const auto at = [&](const Result<layout::Field>& field) { return runtime.address.field(field->offset); };
  return Places{at(fd),
                at(warn),
                at(is_tripped),
                at(tripped0),
                0,
                func0->offset - tripped0->offset,
                tripped1->offset - tripped0->offset,
                fd->source};
}

Result<Places> places_in_statics(Reader& reader, const Runtime& runtime) {
  if (!reader.signal_statics) {
    auto found = find_signal_statics(reader.target(), runtime);
    if (!found) return found.error();
    reader.signal_statics = std::move(*found);
  }
  const SignalStatics& statics = *reader.signal_statics;
  auto& layout = reader.layout();
  auto fd = layout.field("wakeup", "fd");
  auto warn = layout.field("wakeup", "warn_on_full_buffer");
  auto tripped = layout.field("Handlers", "tripped");
  auto func = layout.field("Handlers", "func");
  for (const auto* field : {&fd, &warn, &tripped, &func})
    if (!*field) return field->error();
  return Places{statics.wakeup.field(fd->offset),
                statics.wakeup.field(warn->offset),
                statics.is_tripped,
                statics.handlers,
                tripped->offset,
                func->offset,
                func->offset + func->size,
                fd->source};
}

Result<Places> find_places(Reader& reader, const Runtime& runtime) {
  return reader.has("_PyRuntimeState", "signals.is_tripped") ? places_in_runtime(reader, runtime)
                                                             : places_in_statics(reader, runtime);
}

// One 4-byte word that must lie in [low, high]; a value outside means that these are not the variables.
Result<std::int32_t> word_in(Reader& reader, RemoteAddr at, const char* field, std::int32_t low, std::int32_t high) {
  auto raw = reader.word(at, 4, field);
  if (!raw) return raw.error();
  const auto value = static_cast<std::int32_t>(static_cast<std::uint32_t>(*raw));
  if (value < low || value > high)
    return Error{ErrorKind::inconsistent, fmt::format("{} is outside {}..{}", value, low, high), at, field};
  return value;
}

Result<void> read_words(Reader& reader, const Places& places, facts::SignalFacts& signals) {
  constexpr std::int32_t kMaxFd = 1 << 30;  // the kernel's NR_OPEN cannot be set higher
  auto fd = word_in(reader, places.wakeup_fd, "signals.wakeup.fd", -1, kMaxFd);
  if (!fd) return fd.error();
  auto warn = word_in(reader, places.warn, "signals.wakeup.warn_on_full_buffer", 0, 1);
  if (!warn) return warn.error();
  auto is_tripped = word_in(reader, places.is_tripped, "signals.is_tripped", 0, 1);
  if (!is_tripped) return is_tripped.error();
  std::vector<int> tripped;
  const auto count = static_cast<int>(reader.constant("Py_NSIG", 65));
  for (int number = 1; number < count; ++number) {
    const RemoteAddr handler = places.handlers.field(static_cast<std::uint64_t>(number) * places.stride);
    auto flag = word_in(reader, handler.field(places.tripped_offset), "signals.handlers.tripped", 0, 1);
    if (!flag) return flag.error();
    if (*flag != 0) tripped.push_back(number);
  }
  signals.wakeup_fd = *fd;
  signals.warn_on_full_buffer = *warn != 0;
  signals.is_tripped = *is_tripped != 0;
  signals.tripped = std::move(tripped);
  signals.sigint_tripped = std::find(signals.tripped.begin(), signals.tripped.end(), SIGINT) != signals.tripped.end();
  return {};
}

facts::HandlerKind kind_of(const Callable& callable) {
  if (callable.type == "function") return facts::HandlerKind::function;
  if (callable.type == "method") return facts::HandlerKind::method;
  if (callable.type == "functools.partial") return facts::HandlerKind::partial;
  if (callable.type == "builtin_function_or_method")
    return callable.name == "_signal.default_int_handler" ? facts::HandlerKind::default_int_handler
                                                          : facts::HandlerKind::builtin;
  return facts::HandlerKind::other;
}

// SIG_DFL and SIG_IGN are the ints 0 and 1: signal.signal() turns the enum members into them (Lib/signal.py,
// _enum_to_int). None means that somebody else than Python installed the handler.
Result<void> describe_handler(Reader& reader, RemoteAddr func, facts::SignalFacts& signals) {
  Objects objects(reader);
  if (!func || objects.is_none(func)) {
    signals.sigint_handler = facts::HandlerKind::none;
    return {};
  }
  if (auto number = objects.integer(func)) {
    signals.sigint_handler = *number == 0   ? facts::HandlerKind::sig_dfl
                             : *number == 1 ? facts::HandlerKind::sig_ign
                                            : facts::HandlerKind::other;
    return {};
  }
  auto callable = read_callable(reader, func);
  if (!callable) return callable.error();
  signals.sigint_handler = kind_of(*callable);
  signals.sigint_handler_name = callable->name;
  signals.sigint_handler_file = callable->file;
  signals.sigint_handler_line = callable->line;
  if (callable->self && callable->name == "asyncio.runners.Runner._on_sigint")
    if (auto count = objects.attribute(callable->self, "_interrupt_count"))
      signals.runner_interrupt_count = objects.integer(*count).to_optional();
  return {};
}

void report_words(const Places& places, const facts::SignalFacts& signals, RemoteAddr sigint, RemoteAddr func,
                  Report& report) {
  report.reading("signals.wakeup.fd", "signals.wakeup.fd", places.wakeup_fd, std::to_string(*signals.wakeup_fd),
                 places.source);
  report.reading("signals.wakeup.warn_on_full_buffer", "signals.wakeup.warn_on_full_buffer", places.warn,
                 *signals.warn_on_full_buffer ? "1" : "0", places.source);
  report.reading("signals.is_tripped", "signals.is_tripped", places.is_tripped, *signals.is_tripped ? "1" : "0",
                 places.source);
  report.reading("signals.handlers.2.tripped", "signals.handlers[2].tripped", sigint.field(places.tripped_offset),
                 *signals.sigint_tripped ? "1" : "0", places.source);
  report.reading("signals.handlers.2.func", "signals.handlers[2].func", sigint.field(places.func_offset), func.hex(),
                 places.source);
}

}  // namespace

Result<void> check_signals(Reader& reader, const Runtime& runtime) {
  if (!reader.has("_PyRuntimeState", "signals.is_tripped")) return {};
  auto places = places_in_runtime(reader, runtime);
  if (!places) return places.error();
  facts::SignalFacts ignored;
  return read_words(reader, *places, ignored);
}

void read_signals(Reader& reader, const Runtime& runtime, facts::PythonFacts& python, Report& report) {
  auto places = find_places(reader, runtime);
  if (!places) return report.gap("Python's signal state", places.error(), kDecides);
  if (auto done = read_words(reader, *places, python.signals); !done)
    return report.gap("Python's signal state", done.error(), kDecides);

  const RemoteAddr sigint = places->handlers.field(SIGINT * places->stride);
  auto func = reader.pointer_at(sigint.field(places->func_offset), "signals.handlers[2].func");
  if (!func) return report.gap("Python's SIGINT handler", func.error(), kDecides);
  report_words(*places, python.signals, sigint, *func, report);
  if (auto done = describe_handler(reader, *func, python.signals); !done)
    report.gap("what Python's SIGINT handler is", done.error(), {"S4", "S5", "S6"});
}

namespace {

// The code objects of Python's handlers, by signal. Builtins (default_int_handler) have none.
std::map<std::uint64_t, int> handler_codes(Reader& reader, const Places& places) {
  std::map<std::uint64_t, int> codes;
  const auto count = static_cast<int>(reader.constant("Py_NSIG", 65));
  std::optional<RemoteAddr> last;  // most signals have the same handler: none
  for (int number = 1; number < count; ++number) {
    const RemoteAddr handler = places.handlers.field(static_cast<std::uint64_t>(number) * places.stride);
    auto func = reader.pointer_at(handler.field(places.func_offset), "signals.handlers.func");
    if (!func || !*func || last == *func) continue;
    last = *func;
    auto callable = read_callable(reader, *func);
    if (!callable || !callable->function || callable->file.empty()) continue;
    if (auto code = reader.pointer("PyFunctionObject", "func_code", callable->function)) codes[code->raw()] = number;
  }
  return codes;
}

}  // namespace

void mark_handlers(Reader& reader, const Runtime& runtime, facts::PythonFacts& python) {
  auto places = find_places(reader, runtime);
  if (!places) return;
  std::optional<std::map<std::uint64_t, int>> codes;
  for (auto& state : python.thread_states) {
    if (state.tid != python.main_tid) continue;
    for (auto& frame : state.frames) {
      if (!frame.entry) continue;  // the interpreter calls a handler from C; a program's own call is not one
      if (!codes) codes = handler_codes(reader, *places);
      if (codes->empty()) return;
      auto code = code_of_frame(reader, RemoteAddr(frame.address));
      if (!code) continue;
      if (auto found = codes->find(code->raw()); found != codes->end()) frame.handler = found->second;
    }
  }
}

}  // namespace hang::cpython
