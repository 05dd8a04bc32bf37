#include "cpython/layout/debug_offsets.h"

#include <cstring>
#include <fmt/format.h>
#include <span>

namespace hang::cpython::layout {

namespace {

// The order of struct _Py_DebugOffsets after cookie, version and free_threaded, under the names of the shipped table.
// Include/internal/pycore_runtime.h, 3.13: a group starts with its struct's size (member ""). The order is not stable
// between minors, so each minor has its own list. `type` empty = a number that this build has no use for.
struct Name {
  std::string_view type, member;
};
constexpr Name kOrder13[] = {
    {"_PyRuntimeState", ""},
    {"_PyRuntimeState", "_finalizing"},
    {"_PyRuntimeState", "interpreters.head"},
    {"PyInterpreterState", ""},
    {"PyInterpreterState", "id"},
    {"PyInterpreterState", "next"},
    {"PyInterpreterState", "threads.head"},
    {"PyInterpreterState", "gc"},
    {"PyInterpreterState", "imports.modules"},
    {"PyInterpreterState", "sysdict"},
    {"PyInterpreterState", "builtins"},
    {"PyInterpreterState", "ceval.gil"},
    {"PyInterpreterState", "_gil"},
    {"", "gil_runtime_state_enabled"},  // 0 unless the build is free-threaded
    {"PyInterpreterState", "_gil.locked"},
    {"PyInterpreterState", "_gil.last_holder"},
    {"PyThreadState", ""},
    {"PyThreadState", "prev"},
    {"PyThreadState", "next"},
    {"PyThreadState", "interp"},
    {"PyThreadState", "current_frame"},
    {"PyThreadState", "thread_id"},
    {"PyThreadState", "native_thread_id"},
    {"PyThreadState", "datastack_chunk"},
    {"PyThreadState", "_status"},
    {"_PyInterpreterFrame", ""},
    {"_PyInterpreterFrame", "previous"},
    {"_PyInterpreterFrame", "f_executable"},
    {"_PyInterpreterFrame", "instr_ptr"},
    {"_PyInterpreterFrame", "localsplus"},
    {"_PyInterpreterFrame", "owner"},
    {"PyCodeObject", ""},
    {"PyCodeObject", "co_filename"},
    {"PyCodeObject", "co_name"},
    {"PyCodeObject", "co_qualname"},
    {"PyCodeObject", "co_linetable"},
    {"PyCodeObject", "co_firstlineno"},
    {"PyCodeObject", "co_argcount"},
    {"PyCodeObject", "co_localsplusnames"},
    {"PyCodeObject", "co_localspluskinds"},
    {"PyCodeObject", "co_code_adaptive"},
    {"PyObject", ""},
    {"PyObject", "ob_type"},
    {"PyTypeObject", ""},
    {"PyTypeObject", "tp_name"},
    {"PyTypeObject", "tp_repr"},
    {"PyTypeObject", "tp_flags"},
    {"PyTupleObject", ""},
    {"PyTupleObject", "ob_item"},
    {"PyTupleObject", "ob_base.ob_size"},
    {"PyListObject", ""},
    {"PyListObject", "ob_item"},
    {"PyListObject", "ob_base.ob_size"},
    {"PyDictObject", ""},
    {"PyDictObject", "ma_keys"},
    {"PyDictObject", "ma_values"},
    {"PyFloatObject", ""},
    {"PyFloatObject", "ob_fval"},
    {"PyLongObject", ""},
    {"PyLongObject", "long_value.lv_tag"},
    {"PyLongObject", "long_value.ob_digit"},
    {"PyBytesObject", ""},
    {"PyBytesObject", "ob_base.ob_size"},
    {"PyBytesObject", "ob_sval"},
    {"PyUnicodeObject", ""},
    {"PyASCIIObject", "state"},
    {"PyASCIIObject", "length"},
    {"PyASCIIObject", ""},  // asciiobject_size
    {"_gc_runtime_state", ""},
    {"_gc_runtime_state", "collecting"},
};

constexpr char kCookie[8] = {'x', 'd', 'e', 'b', 'u', 'g', 'p', 'y'};

// Larger than any of CPython's structs; guards sums and later reads.
constexpr std::uint64_t kMaxStruct = 16 << 20;

struct Header {
  char cookie[8];
  std::uint64_t version, free_threaded;
};

std::span<const Name> order_of(int minor) {
  if (minor == 13) return kOrder13;
  return {};
}

Error nonsense(const Runtime& runtime, const std::string& what) {
  return Error{ErrorKind::inconsistent, what, runtime.address, "_Py_DebugOffsets"};
}

Result<void> check_header(const Runtime& runtime, const Header& header) {
  if (std::memcmp(header.cookie, kCookie, sizeof kCookie) != 0)
    return nonsense(runtime, "no cookie \"xdebugpy\" at _PyRuntime");
  if (header.version >> 16 != runtime.hexversion >> 16)
    return nonsense(runtime, fmt::format("the offsets are for CPython {:#x}, the runtime says {:#x}", header.version,
                                         runtime.hexversion));
  if (header.free_threaded != 0) return nonsense(runtime, "the offsets are those of a free-threaded build");
  return {};
}

// Every offset must lie in its struct, where the same table tells that struct's size.
Result<void> check_offsets(const Runtime& runtime, const std::vector<DebugOffset>& offsets) {
  for (const DebugOffset& offset : offsets) {
    if (offset.value > kMaxStruct || (offset.member.empty() && offset.value == 0))
      return nonsense(runtime, fmt::format("{}.{} = {} cannot be", offset.type, offset.member, offset.value));
    for (const DebugOffset& size : offsets)
      if (size.member.empty() && size.type == offset.type && !offset.member.empty() && offset.value >= size.value)
        return nonsense(runtime, fmt::format("{}.{} = {} lies outside its struct of {} bytes", offset.type,
                                             offset.member, offset.value, size.value));
  }
  return {};
}

}  // namespace

Result<std::vector<DebugOffset>> read_debug_offsets(Target& target, const Runtime& runtime) {
  const auto order = order_of(runtime.minor());
  if (order.empty()) return Error{ErrorKind::absent_field, "this CPython has no _Py_DebugOffsets that is known here"};
  auto header = read_value<Header>(target, runtime.address, "_Py_DebugOffsets");
  if (!header) return header.error();
  if (auto good = check_header(runtime, *header); !good) return good.error();

  std::vector<std::uint64_t> numbers(order.size());
  auto done = read_exact(target, runtime.address.field(sizeof(Header)), std::as_writable_bytes(std::span(numbers)),
                         "_Py_DebugOffsets");
  if (!done) return done.error();
  std::vector<DebugOffset> offsets;
  offsets.reserve(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    if (!order[i].type.empty()) offsets.push_back({order[i].type, order[i].member, numbers[i]});
  if (auto good = check_offsets(runtime, offsets); !good) return good.error();
  return offsets;
}

}  // namespace hang::cpython::layout
