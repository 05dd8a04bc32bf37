#include <array>
#include <fmt/format.h>

#include "base/budget.h"
#include "cpython/readers.h"

namespace hang::cpython {

namespace {

// Far more than any process has; a list this long is not a list.
constexpr std::size_t kMaxInterpreters = 65'536;

Result<RemoteAddr> main_interpreter(Reader& reader, const Runtime& runtime) {
  auto main = reader.pointer("_PyRuntimeState", "interpreters.main", runtime.address);
  if (!main) return main;
  if (!*main)
    return Error{ErrorKind::not_python, "CPython is loaded but not initialized: it has no main interpreter",
                 runtime.address, "_PyRuntimeState.interpreters.main"};
  return main;
}

// PyInterpreterState.runtime points back to _PyRuntime: the cheapest proof that this is an interpreter.
Result<void> check_runtime(Reader& reader, const Runtime& runtime, RemoteAddr interpreter) {
  auto back = reader.pointer("PyInterpreterState", "runtime", interpreter);
  if (!back) return back.error();
  if (*back != runtime.address)
    return Error{ErrorKind::inconsistent, fmt::format("points to {}, not to _PyRuntime", back->hex()), interpreter,
                 "PyInterpreterState.runtime"};
  return {};
}

// Whether the interpreter was configured as Py_NewInterpreter does it (Python/pylifecycle.c,
// _PyInterpreterConfig_LEGACY_INIT): it shares main's GIL and obmalloc and loads single-phase extension modules.
// 3.11 has no such configuration, only the isolated kind of _xxsubinterpreters.create(isolated=True).
std::optional<bool> is_legacy(Reader& reader, const facts::InterpreterFacts& facts, RemoteAddr at) {
  if (facts.is_main) return false;
  if (reader.has("PyInterpreterState", "config._isolated_interpreter")) {
    auto isolated = reader.number("PyInterpreterState", "config._isolated_interpreter", at);
    if (!isolated) return std::nullopt;
    return *isolated == 0;
  }
  auto flags = reader.number("PyInterpreterState", "feature_flags", at);
  if (!flags || !facts.own_gil) return std::nullopt;
  const auto main_obmalloc = static_cast<std::uint64_t>(reader.constant("Py_RTFLAGS_USE_MAIN_OBMALLOC", 0));
  const auto multi_interp = static_cast<std::uint64_t>(reader.constant("Py_RTFLAGS_MULTI_INTERP_EXTENSIONS", 0));
  return !*facts.own_gil && (*flags & main_obmalloc) != 0 && (*flags & multi_interp) == 0;
}

// Py_EndInterpreter (Python/pylifecycle.c) sets `finalizing` first, and `_finalizing` (3.12+) once the threads are
// joined and the atexit functions have run.
void read_finalizing(Reader& reader, RemoteAddr at, facts::InterpreterFacts& facts) {
  const auto flag = reader.number("PyInterpreterState", "finalizing", at);
  if (flag) facts.finalizing = *flag != 0;
  if (!reader.has("PyInterpreterState", "_finalizing")) return;
  if (const auto thread = reader.pointer("PyInterpreterState", "_finalizing", at)) {
    facts.finalized_by = thread->raw();
    if (*thread) facts.finalizing = true;
  } else if (facts.finalizing == false) {
    facts.finalizing.reset();
  }
}

// An interpreter has many pages; those that are looked at are read in one call.
void prefetch_interpreter(Reader& reader, RemoteAddr at) {
  constexpr std::array kMembers{"id",
                                "next",
                                "runtime",
                                "finalizing",
                                "_finalizing",
                                "_whence",
                                "feature_flags",
                                "threads.head",
                                "threads.main",
                                "imports.modules",
                                "ceval.own_gil",
                                "ceval.gil",
                                "config._isolated_interpreter"};
  std::vector<RemoteAddr> pages;
  for (const char* member : kMembers)
    if (const auto field = reader.layout().find("PyInterpreterState", member)) pages.push_back(at.field(field->offset));
  reader.prefetch(pages);
}

Result<facts::InterpreterFacts> read_interpreter(Reader& reader, const Runtime& runtime, RemoteAddr at,
                                                 RemoteAddr main) {
  prefetch_interpreter(reader, at);
  if (auto good = check_runtime(reader, runtime, at); !good) return good.error();
  auto id = reader.signed_number("PyInterpreterState", "id", at);
  if (!id) return id.error();

  facts::InterpreterFacts facts;
  facts.id = *id;
  facts.address = at.raw();
  facts.is_main = at == main;
  if (reader.has("PyInterpreterState", "ceval.own_gil"))
    if (auto own = reader.number("PyInterpreterState", "ceval.own_gil", at)) facts.own_gil = *own != 0;
  facts.legacy = is_legacy(reader, facts, at);
  if (reader.has("PyInterpreterState", "threads.main"))
    if (auto running = reader.pointer("PyInterpreterState", "threads.main", at))
      facts.running_main = static_cast<bool>(*running);
  if (reader.has("PyInterpreterState", "_whence"))
    facts.whence = reader.signed_number("PyInterpreterState", "_whence", at).to_optional();
  read_finalizing(reader, at, facts);
  return facts;
}

}  // namespace

Result<std::vector<facts::InterpreterFacts>> read_interpreters(Reader& reader, const Runtime& runtime) {
  auto main = main_interpreter(reader, runtime);
  if (!main) return main.error();
  auto at = reader.pointer("_PyRuntimeState", "interpreters.head", runtime.address);
  if (!at) return at.error();

  std::vector<facts::InterpreterFacts> list;
  bool main_seen = false;
  Budget budget("interpreters", kMaxInterpreters);
  while (*at) {
    if (auto step = budget.visit(*at); !step) return step.error();
    auto facts = read_interpreter(reader, runtime, *at, *main);
    if (!facts) return facts.error();
    main_seen |= facts->is_main;
    list.push_back(*facts);
    at = reader.pointer("PyInterpreterState", "next", *at);
    if (!at) return at.error();
  }
  if (!main_seen)
    return Error{ErrorKind::inconsistent, "the list of interpreters does not contain the main one", *main,
                 "_PyRuntimeState.interpreters.head"};
  return list;
}

}  // namespace hang::cpython
