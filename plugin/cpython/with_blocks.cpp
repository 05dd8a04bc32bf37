// Open `with` blocks: what a frame holds. The exception table says for each instruction how many values lie under the
// block that covers it, and among them are the exit methods of the with statements around it
// (Objects/exception_handling_notes.txt, Python/compile.c of 3.11+).
#include "cpython/instructions.h"
#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr std::uint64_t kMaxDepth = 1024;

}  // namespace

RemoteAddr holder_of(Reader& reader, RemoteAddr value) {
  const auto type = Objects(reader).type_name(value).value_or("");
  if (type == "builtin_function_or_method")
    return reader.pointer("PyCFunctionObject", "m_self", value).value_or(RemoteAddr());
  if (type == "method") return reader.pointer("PyMethodObject", "im_self", value).value_or(RemoteAddr());
  return value;
}

Result<std::vector<RemoteAddr>> open_with_blocks(Reader& reader, RemoteAddr frame) {
  auto code_object = code_of_frame(reader, frame);
  if (!code_object) return code_object.error();
  auto code = read_code(reader, *code_object);
  if (!code) return code.error();
  auto instruction = instruction_of_frame(reader, frame);
  if (!instruction) return instruction.error();
  auto table = read_exception_table(reader, *code_object);
  if (!table) return table.error();
  const std::uint64_t unit = reader.layout().size_of("_Py_CODEUNIT").value_or(2);
  if (*instruction < (*code)->first.raw()) return std::vector<RemoteAddr>{};
  const auto* entry = entry_at(*table, (*instruction - (*code)->first.raw()) / unit);
  const auto depth = entry == nullptr ? 0 : entry->depth;
  std::vector<RemoteAddr> open;
  if (depth == 0 || depth > std::min((*code)->stack, kMaxDepth)) return open;
  auto slots = reader.address("_PyInterpreterFrame", "localsplus", frame);
  if (!slots) return slots.error();
  std::vector<std::uint64_t> raw(depth);
  auto done = reader.bytes(slots->field(8 * (*code)->locals), std::as_writable_bytes(std::span(raw)),
                           "_PyInterpreterFrame.localsplus");
  if (!done) return done.error();
  for (const std::uint64_t value : raw)
    if (const RemoteAddr object = reader.untagged(value))
      if (const RemoteAddr holder = holder_of(reader, object)) open.push_back(holder);
  return open;
}

}  // namespace hang::cpython
