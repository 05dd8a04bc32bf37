// Local variables of a frame, by name.
#include <fmt/format.h>

#include "cpython/readers.h"

namespace hang::cpython {

namespace {

// The slots of a frame that have names.
struct Slots {
  std::vector<RemoteAddr> names, values;
  std::vector<std::byte> kinds;  // one byte each: CO_FAST_LOCAL, CO_FAST_CELL, CO_FAST_FREE
};

Result<Slots> read_slots(Reader& reader, RemoteAddr frame) {
  Objects objects(reader);
  auto code_object = code_of_frame(reader, frame);
  if (!code_object) return code_object.error();
  auto code = read_code(reader, *code_object);
  if (!code) return code.error();
  auto names = objects.items((*code)->names);
  if (!names) return names.error();
  auto kinds_at = reader.address("PyBytesObject", "ob_sval", (*code)->kinds);
  auto first = reader.address("_PyInterpreterFrame", "localsplus", frame);
  if (!kinds_at) return kinds_at.error();
  if (!first) return first.error();
  if (names->size() != (*code)->locals)
    return Error{ErrorKind::inconsistent, fmt::format("{} names for {} variables", names->size(), (*code)->locals),
                 *code_object, "PyCodeObject.co_localsplusnames"};

  Slots slots;
  slots.names = std::move(*names);
  slots.kinds.resize(slots.names.size());
  if (auto done = reader.bytes(*kinds_at, slots.kinds, "PyCodeObject.co_localspluskinds"); !done) return done.error();
  std::vector<std::uint64_t> raw(slots.names.size());
  if (auto done = reader.bytes(*first, std::as_writable_bytes(std::span(raw)), "_PyInterpreterFrame.localsplus"); !done)
    return done.error();
  for (const std::uint64_t value : raw) slots.values.push_back(reader.untagged(value));
  return slots;
}

// What a slot means: a cell or free variable holds a cell, but an argument that becomes a cell is still itself before
// MAKE_CELL ran.
Result<RemoteAddr> resolve(Reader& reader, const Slots& slots, std::size_t index) {
  const auto kind = std::to_integer<std::int64_t>(slots.kinds[index]);
  const std::int64_t celled = reader.constant("CO_FAST_CELL", 0) | reader.constant("CO_FAST_FREE", 0);
  const RemoteAddr value = slots.values[index];
  if (!value || (kind & celled) == 0) return value;
  auto type = Objects(reader).type_name(value);
  if (!type) return type.error();
  if (*type != "cell") return value;
  return reader.pointer("PyCellObject", "ob_ref", value);
}

}  // namespace

Result<std::vector<Local>> Python::locals(RemoteAddr frame) {
  auto slots = read_slots(*reader_, frame);
  if (!slots) return slots.error();
  std::vector<Local> found;
  found.reserve(slots->names.size());
  for (std::size_t i = 0; i < slots->names.size(); ++i) {
    auto name = objects().str(slots->names[i]);
    if (!name) return name.error();
    auto value = resolve(*reader_, *slots, i);
    if (!value) return value.error();
    found.push_back({std::move(*name), *value});
  }
  return found;
}

Result<RemoteAddr> Python::local(RemoteAddr frame, const std::string& name) {
  auto slots = read_slots(*reader_, frame);
  if (!slots) return slots.error();
  for (std::size_t i = 0; i < slots->names.size(); ++i) {
    auto same = objects().equals(slots->names[i], name);
    if (!same) return same.error();
    if (!*same) continue;
    auto value = resolve(*reader_, *slots, i);
    if (value && !*value) return Error{ErrorKind::absent_field, "the variable is not bound", frame, name};
    return value;
  }
  return Error{ErrorKind::absent_field, "the frame has no such variable", frame, name};
}

}  // namespace hang::cpython
