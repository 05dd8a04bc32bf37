#include "cpython/signal_statics.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>
#include <vector>

#include "cpython/disassembler.h"
#include "target/elf_file.h"

namespace hang::cpython {
namespace {

using Kind = CodeReference::Kind;

// The variables as CPython 3.11 declares them (Modules/signalmodule.c, v3.11.0 to v3.11.14).
struct Wakeup {
  std::int32_t fd, warn_on_full_buffer;
};
struct Handler {
  std::int32_t tripped, padding;
  std::uint64_t func;
};
constexpr std::size_t kSignals = 65;  // Py_NSIG: _NSIG of glibc and musl, 64 + 1
constexpr std::uint64_t kFuncOffset = 8, kStride = sizeof(Handler);
static_assert(sizeof(Wakeup) == 8 && sizeof(Handler) == 16);

constexpr std::int32_t kMaxFd = 1 << 20;  // far above fs.nr_open of any machine that runs Python

Error not_found(std::string_view name, std::string_view why) {
  return Error{ErrorKind::no_symbols,
               fmt::format("cannot find the static variable {} of Modules/signalmodule.c: {}", name, why)};
}

// The one object of that name and size, because other files may have statics named "wakeup" too.
Result<RemoteAddr> static_object(ElfFile& file, const Module& module, std::string_view name, std::uint64_t size) {
  std::vector<ElfSymbol> found = file.definitions(name);
  std::erase_if(found, [&](const ElfSymbol& symbol) { return !symbol.object || symbol.size != size; });
  if (found.size() == 1) return RemoteAddr(module.load_bias.raw() + found.front().address);
  return not_found(name, found.empty() ? "the symbol table does not have it" : "the symbol table has several");
}

using Addresses = std::set<std::uint64_t>;

template <typename Predicate>
Addresses addresses_of(const CodeWalk& code, Predicate&& wanted) {
  Addresses found;
  for (const CodeReference& reference : code.references)
    if (wanted(reference)) found.insert(reference.address.raw());
  return found;
}

bool accesses(const CodeWalk& code, RemoteAddr address, Kind kind, std::uint32_t size) {
  return std::any_of(code.references.begin(), code.references.end(), [&](const CodeReference& reference) {
    return reference.address == address && reference.kind == kind && reference.size == size && !reference.indexed;
  });
}

// An atomic store of is_tripped: an xchg, or up to gcc 10 a mov and an mfence.
bool sets(const CodeWalk& code, RemoteAddr address) {
  return accesses(code, address, Kind::exchange, sizeof(std::int32_t)) ||
         accesses(code, address, Kind::store, sizeof(std::int32_t));
}

// _PyErr_CheckSignalsTstate() begins with `if (!_Py_atomic_load(&is_tripped)) return 0; _Py_atomic_store(&is_tripped,
// 0)`: it is the first variable there that is both loaded and set.
Result<RemoteAddr> find_is_tripped(const CodeWalk& check) {
  for (const CodeReference& reference : check.references)
    if (reference.kind == Kind::load && reference.size == sizeof(std::int32_t) && !reference.indexed &&
        sets(check, reference.address))
      return reference.address;
  return not_found("is_tripped", "_PyErr_CheckSignalsTstate does not load and set one variable");
}

// trip_signal() is inlined into PyErr_SetInterruptEx() or called by it; it is the part that sets is_tripped.
Result<CodeWalk> find_trip(const Disassembler& disassembler, Target& target, const Module& module,
                           const CodeWalk& interrupt, RemoteAddr is_tripped) {
  if (sets(interrupt, is_tripped)) return interrupt;
  // Last first: it compares handlers by PyObject_RichCompareBool(), which is long, before it calls trip_signal().
  for (auto call = interrupt.calls.rbegin(); call != interrupt.calls.rend(); ++call) {
    const RemoteAddr callee = *call;
    if (callee < module.begin || callee >= module.end) continue;
    auto code = disassembler.walk(target, callee, module);
    if (code && sets(*code, is_tripped)) return *code;
  }
  return not_found("wakeup", "PyErr_SetInterruptEx does not set is_tripped");
}

// trip_signal() loads wakeup.fd, and wakeup.warn_on_full_buffer beside it, and no other such pair of ints.
Result<RemoteAddr> find_wakeup(const CodeWalk& trip) {
  Addresses pairs;
  for (const CodeReference& reference : trip.references)
    if (reference.kind == Kind::load && reference.size == sizeof(std::int32_t) && !reference.indexed &&
        accesses(trip, reference.address.field(offsetof(Wakeup, warn_on_full_buffer)), Kind::load,
                 sizeof(std::int32_t)))
      pairs.insert(reference.address.raw());
  if (pairs.size() == 1) return RemoteAddr(*pairs.begin());
  return not_found("wakeup",
                   pairs.empty() ? "trip_signal loads no pair of ints" : "trip_signal loads several pairs of ints");
}

// trip_signal() sets Handlers[n].tripped to 1, PyErr_SetInterruptEx() loads Handlers[n].func, and
// _PyErr_CheckSignalsTstate() walks over them from Handlers[1], which compilers write as the array's begin or as that
// of its second element.
Result<RemoteAddr> find_handlers(const CodeWalk& check, const CodeWalk& interrupt, const CodeWalk& trip) {
  const auto sets_flag = [](const CodeReference& use) {
    return use.kind == Kind::store && use.indexed && use.size == sizeof(std::int32_t) && use.immediate == 1;
  };
  const auto loads_pointer = [](const CodeReference& use) {
    return use.kind == Kind::load && use.indexed && use.size == sizeof(std::uint64_t);
  };
  const Addresses flags = addresses_of(trip, sets_flag), functions = addresses_of(interrupt, loads_pointer);
  const Addresses walked = addresses_of(check, [](const CodeReference&) { return true; });
  Addresses found;
  for (const std::uint64_t begin : flags)
    if (functions.contains(begin + kFuncOffset) && (walked.contains(begin) || walked.contains(begin + kStride)))
      found.insert(begin);
  if (found.size() == 1) return RemoteAddr(*found.begin());
  return not_found("Handlers", found.empty() ? "no array is used as they are" : "several arrays are used as they are");
}

Result<void> verify_wakeup(Target& target, RemoteAddr address) {
  auto wakeup = read_value<Wakeup>(target, address, "wakeup");
  if (!wakeup) return wakeup.error();
  const bool flag = wakeup->warn_on_full_buffer == 0 || wakeup->warn_on_full_buffer == 1;
  if (wakeup->fd >= -1 && wakeup->fd < kMaxFd && flag) return {};
  return not_found("wakeup", fmt::format("at {} is no file descriptor and flag", address.hex()));
}

Result<void> verify_is_tripped(Target& target, RemoteAddr address) {
  auto is_tripped = read_value<std::int32_t>(target, address, "is_tripped");
  if (!is_tripped) return is_tripped.error();
  if (*is_tripped == 0 || *is_tripped == 1) return {};
  return not_found("is_tripped", fmt::format("at {} is no flag", address.hex()));
}

Result<void> verify_handlers(Target& target, RemoteAddr address) {
  auto handlers = read_value<std::array<Handler, kSignals>>(target, address, "Handlers");
  if (!handlers) return handlers.error();
  std::set<std::uint64_t> functions;
  for (const Handler& handler : *handlers) {
    if (handler.tripped != 0 && handler.tripped != 1)
      return not_found("Handlers", fmt::format("at {} is no array of flags and objects", address.hex()));
    if (handler.func != 0) functions.insert(handler.func);
  }
  for (const std::uint64_t function : functions)
    if (!read_value<std::uint64_t>(target, RemoteAddr(function)))
      return not_found("Handlers", fmt::format("at {} is no array of flags and objects", address.hex()));
  return {};
}

Result<SignalStatics> verified(Target& target, SignalStatics statics) {
  if (auto fits = verify_wakeup(target, statics.wakeup); !fits) return fits.error();
  if (auto fits = verify_is_tripped(target, statics.is_tripped); !fits) return fits.error();
  if (auto fits = verify_handlers(target, statics.handlers); !fits) return fits.error();
  return statics;
}

}  // namespace

Result<SignalStatics> signal_statics_by_symbols(Target& target, const Runtime& runtime) {
  const Module& module = runtime.module;
  auto file = ElfFile::open(module.open_path);
  if (!file) return file.error();
  // A core may come from another machine, whose file of this name was another one.
  auto anchor = (*file)->exported("_PyRuntime");
  if (!anchor || module.load_bias.raw() + anchor->address != runtime.address.raw())
    return not_found("wakeup", module.open_path + " is not the file that is loaded");
  auto wakeup = static_object(**file, module, "wakeup", sizeof(Wakeup));
  if (!wakeup) return wakeup.error();
  auto is_tripped = static_object(**file, module, "is_tripped", sizeof(std::int32_t));
  if (!is_tripped) return is_tripped.error();
  auto handlers = static_object(**file, module, "Handlers", sizeof(Handler) * kSignals);
  if (!handlers) return handlers.error();
  return verified(target, {*wakeup, *is_tripped, *handlers, "symbol table"});
}

Result<SignalStatics> signal_statics_by_code(Target& target, const Runtime& runtime) {
  const Module& module = runtime.module;
  auto disassembler = Disassembler::open();
  if (!disassembler) return disassembler.error();
  const auto code_of = [&](std::string_view name) -> Result<CodeWalk> {
    auto entry = target.symbol(module, name);
    if (!entry) return entry.error();
    return disassembler->walk(target, *entry, module);
  };
  // PySignal_SetWakeupFd() would be simpler to read, but up to 3.12 it lacks PyAPI_FUNC (Include/cpython/pyerrors.h)
  // and is not exported.
  auto check = code_of("_PyErr_CheckSignalsTstate");
  if (!check) return check.error();
  auto interrupt = code_of("PyErr_SetInterruptEx");
  if (!interrupt) return interrupt.error();
  auto is_tripped = find_is_tripped(*check);
  if (!is_tripped) return is_tripped.error();
  auto trip = find_trip(*disassembler, target, module, *interrupt, *is_tripped);
  if (!trip) return trip.error();
  auto wakeup = find_wakeup(*trip);
  if (!wakeup) return wakeup.error();
  auto handlers = find_handlers(*check, *interrupt, *trip);
  if (!handlers) return handlers.error();
  return verified(target,
                  {*wakeup, *is_tripped, *handlers, "code of PyErr_SetInterruptEx and _PyErr_CheckSignalsTstate"});
}

Result<SignalStatics> find_signal_statics(Target& target, const Runtime& runtime) {
  auto by_symbols = signal_statics_by_symbols(target, runtime);
  return by_symbols ? std::move(by_symbols) : signal_statics_by_code(target, runtime);
}

}  // namespace hang::cpython
