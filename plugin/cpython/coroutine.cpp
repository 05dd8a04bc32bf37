#include "cpython/coroutine.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/budget.h"
#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr std::size_t kMaxAwaits = 200;  // depth of one await chain

bool is_suspendable(const std::string& type) {
  return type == "coroutine" || type == "generator" || type == "async_generator";
}

// The value that a suspended frame has `depth` below the top of its value stack; NULL if it has none.
Result<RemoteAddr> on_stack(Reader& reader, RemoteAddr frame, std::uint64_t depth) {
  constexpr const char* kFrame = "_PyInterpreterFrame";
  constexpr std::uint64_t kMaxStack = 65'536;
  auto slots = reader.address(kFrame, "localsplus", frame);
  if (!slots) return slots.error();
  std::uint64_t count = 0;  // of the slots that are filled, local variables first
  if (reader.has(kFrame, "stackpointer")) {
    auto end = reader.pointer(kFrame, "stackpointer", frame);
    if (!end) return end.error();
    if (*end < *slots) return RemoteAddr();  // NULL while it runs
    count = (end->raw() - slots->raw()) / 8;
  } else {
    auto top = reader.signed_number(kFrame, "stacktop", frame);
    if (!top) return top.error();
    if (*top <= 0) return RemoteAddr();  // nothing there, or it is executing (-1)
    count = static_cast<std::uint64_t>(*top);
  }
  if (count <= depth || count > kMaxStack) return RemoteAddr();
  auto value = reader.pointer_at(slots->field(8 * (count - 1 - depth)), "_PyInterpreterFrame.localsplus");
  if (!value) return value;
  return reader.untagged(value->raw());
}

// The object that a suspended frame awaits: on top of its value stack (_PyGen_yf, Objects/genobject.c, 3.11 to 3.14),
// in 3.15 below the index that FOR_ITER and SEND keep for virtual iterators.
Result<RemoteAddr> awaited(Reader& reader, RemoteAddr frame) {
  auto top = on_stack(reader, frame, 0);
  // What is awaited is no virtual iterator, and its index is NULL.
  if (top && !*top && reader.has("_PyInterpreterFrame", "stackpointer")) return on_stack(reader, frame, 1);
  return top;
}

// Whether a suspended frame stands at an await or a `yield from`. At a plain `yield` the top of the stack may be the
// iterator of a loop around it.
bool is_awaiting(Reader& reader, RemoteAddr frame, std::int64_t state) {
  if (reader.layout().constant("FRAME_SUSPENDED_YIELD_FROM")) return state != reader.constant("FRAME_SUSPENDED");
  // Up to 3.12 by the RESUME that it will go on with: its argument is 1 after a yield, 2 after a `yield from`, 3 after
  // an await (_PyGen_yf, Objects/genobject.c). A code unit is an opcode and its argument.
  auto last = reader.number("_PyInterpreterFrame", "prev_instr", frame);
  if (!last) return false;
  auto argument = reader.word(RemoteAddr(*last).field(3), 1, "_Py_CODEUNIT.op.arg");
  return argument && *argument >= 2;
}

}  // namespace

Result<Suspended> read_suspended(Python& python, RemoteAddr coroutine) {
  Reader& reader = python.reader();
  Objects objects = python.objects();
  Suspended found;
  Budget budget("awaits of a coroutine", kMaxAwaits);
  for (RemoteAddr at = coroutine; at;) {
    auto type = objects.type_name(at);
    if (!type) return type.error();
    if (!is_suspendable(*type)) {
      if (at == coroutine) return Error{ErrorKind::inconsistent, *type + " is no coroutine", at};
      found.awaits = at;
      break;
    }
    if (auto step = budget.visit(at); !step) return step.error();
    auto state = reader.signed_number("PyGenObject", "gi_frame_state", at);
    if (!state) return state.error();
    if (*state >= reader.constant("FRAME_EXECUTING", 0)) break;  // running, or done: no frame of its own
    auto frame = reader.address("PyGenObject", "gi_iframe", at);
    if (!frame) return frame.error();
    auto facts = read_frame(reader, *frame);
    if (!facts) return facts.error();
    found.frames.push_back(std::move(*facts));
    // Inside `except` or `finally`: what sys.exception() would say there (_PyErr_StackItem, cpython/pystate.h).
    if (auto handled = reader.pointer("PyGenObject", "gi_exc_state.exc_value", at); handled && *handled)
      if (auto name = objects.qualified_type_name(*handled); name && !objects.is_none(*handled))
        found.handling.push_back(std::move(*name));
    if (*state == reader.constant("FRAME_CREATED", -3)) break;
    if (!is_awaiting(reader, *frame, *state)) break;
    auto next = awaited(reader, *frame);
    if (!next) break;
    at = *next;
  }
  std::reverse(found.frames.begin(), found.frames.end());
  std::reverse(found.handling.begin(), found.handling.end());
  return found;
}

Result<RemoteAddr> referent(Python& python, RemoteAddr weakref) {
  auto object = python.reader().pointer("PyWeakReference", "wr_object", weakref);
  if (object && (!*object || python.objects().is_none(*object)))
    return Error{ErrorKind::absent_field, "the referent is gone", weakref, "PyWeakReference.wr_object"};
  return object;
}

}  // namespace hang::cpython
