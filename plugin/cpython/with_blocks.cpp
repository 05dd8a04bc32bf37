// Open `with` blocks: what a frame holds. The exception table says for each instruction how many values lie under the
// block that covers it, and among them are the exit methods of the with statements around it
// (Objects/exception_handling_notes.txt, Python/compile.c of 3.11+).
#include <fmt/format.h>

#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr std::uint64_t kMaxTable = 1 << 20;  // bytes of one function's exception table
constexpr std::uint64_t kMaxDepth = 1024;

// One number of the table: six bits a byte, most significant first; bit 6 = more follow. Bit 7 marks an entry's begin.
struct Numbers {
  std::span<const std::byte> table;
  std::size_t at = 0;

  [[nodiscard]] bool more() const { return at < table.size(); }
  std::uint64_t next() {
    std::uint64_t value = 0;
    while (at < table.size()) {
      const auto byte = std::to_integer<std::uint64_t>(table[at++]);
      value = (value << 6 | (byte & 63)) & 0xffff'ffff;
      if ((byte & 64) == 0) break;
    }
    return value;
  }
};

// Values under the innermost block that covers code unit `unit`; 0 if none does.
std::uint64_t depth_at(std::span<const std::byte> table, std::uint64_t unit) {
  Numbers numbers{table};
  std::uint64_t depth = 0;
  while (numbers.more()) {
    const auto start = numbers.next(), size = numbers.next();
    numbers.next();  // the handler
    const auto depth_and_lasti = numbers.next();
    if (unit >= start && unit - start < size) depth = depth_and_lasti >> 1;
  }
  return depth;
}

Result<std::vector<std::byte>> read_table(Reader& reader, RemoteAddr code) {
  auto object = reader.pointer("PyCodeObject", "co_exceptiontable", code);
  if (!object) return object.error();
  auto size = reader.number("PyBytesObject", "ob_base.ob_size", *object);
  if (!size) return size.error();
  if (*size > kMaxTable)
    return Error{ErrorKind::inconsistent, fmt::format("an exception table of {} bytes", *size), *object,
                 "PyCodeObject.co_exceptiontable"};
  auto first = reader.address("PyBytesObject", "ob_sval", *object);
  if (!first) return first.error();
  std::vector<std::byte> table(*size);
  if (auto done = reader.bytes(*first, table, "PyCodeObject.co_exceptiontable"); !done) return done.error();
  return table;
}

// What a value on the stack is the exit method of, or the value itself: up to 3.13 `with` keeps the bound __exit__,
// from 3.14 on the function and the object (BEFORE_WITH, LOAD_SPECIAL).
RemoteAddr holder_of(Reader& reader, RemoteAddr value) {
  const auto type = Objects(reader).type_name(value).value_or("");
  if (type == "builtin_function_or_method")
    return reader.pointer("PyCFunctionObject", "m_self", value).value_or(RemoteAddr());
  if (type == "method") return reader.pointer("PyMethodObject", "im_self", value).value_or(RemoteAddr());
  return value;
}

}  // namespace

Result<std::vector<RemoteAddr>> open_with_blocks(Reader& reader, RemoteAddr frame) {
  auto code_object = code_of_frame(reader, frame);
  if (!code_object) return code_object.error();
  auto code = read_code(reader, *code_object);
  if (!code) return code.error();
  auto instruction = instruction_of_frame(reader, frame);
  if (!instruction) return instruction.error();
  auto table = read_table(reader, *code_object);
  if (!table) return table.error();
  const std::uint64_t unit = reader.layout().size_of("_Py_CODEUNIT").value_or(2);
  if (*instruction < (*code)->first.raw()) return std::vector<RemoteAddr>{};
  const auto depth = depth_at(*table, (*instruction - (*code)->first.raw()) / unit);
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
