#include <array>
#include <fmt/format.h>

#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr const char* kCode = "PyCodeObject";
constexpr std::uint64_t kMaxUnits = 16 << 20;      // of one function; CPython's own files stay under 100 000
constexpr std::uint64_t kMaxLineTable = 16 << 20;  // bytes
constexpr std::uint64_t kMaxSlots = 65'536;        // locals, or stack slots, of one frame

// Location kinds (Include/cpython/code.h, enum _PyCodeLocationInfoKind).
constexpr unsigned kOneLine0 = 10, kOneLine2 = 12, kNoColumns = 13, kLong = 14, kNone = 15;

// A signed variable-length integer: six bits a byte, bit 6 = more follow; bit 0 of the value is the sign.
std::int64_t read_svarint(std::span<const std::byte> table, std::size_t at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; at < table.size() && shift < 60; ++at, shift += 6) {
    const auto byte = std::to_integer<unsigned>(table[at]);
    value |= static_cast<std::uint64_t>(byte & 63) << shift;
    if ((byte & 64) == 0) break;
  }
  const auto magnitude = static_cast<std::int64_t>(value >> 1);
  return (value & 1) != 0 ? -magnitude : magnitude;
}

Result<std::uint64_t> bounded(Reader& reader, const char* type, const char* member, RemoteAddr object,
                              std::uint64_t limit) {
  auto value = reader.number(type, member, object);
  if (value && *value > limit)
    return Error{ErrorKind::inconsistent, fmt::format("{} is more than any code object has", *value), object,
                 fmt::format("{}.{}", type, member)};
  return value;
}

Result<Code> read_fields(Reader& reader, RemoteAddr at) {
  Code code;
  const auto get = [&](const char* member, RemoteAddr& out) -> Result<void> {
    auto value = reader.pointer(kCode, member, at);
    if (!value) return value.error();
    out = *value;
    return {};
  };
  if (auto done = get("co_linetable", code.linetable); !done) return done.error();
  if (auto done = get("co_localsplusnames", code.names); !done) return done.error();
  if (auto done = get("co_localspluskinds", code.kinds); !done) return done.error();
  RemoteAddr file, name;
  if (auto done = get("co_filename", file); !done) return done.error();
  if (auto done = get("co_qualname", name); !done) return done.error();
  reader.prefetch(std::array{code.linetable, file, name});
  auto first = reader.address(kCode, "co_code_adaptive", at);
  if (!first) return first.error();
  code.first = *first;

  auto line = reader.signed_number(kCode, "co_firstlineno", at);
  if (!line) return line.error();
  code.first_line = *line;
  // Py_SIZE of a code object is its number of code units.
  auto units = bounded(reader, "PyVarObject", "ob_size", at, kMaxUnits);
  if (!units) return units.error();
  code.units = *units;
  auto traceable = bounded(reader, kCode, "_co_firsttraceable", at, kMaxUnits);
  if (!traceable) return traceable.error();
  code.first_traceable = *traceable;
  auto locals = bounded(reader, kCode, "co_nlocalsplus", at, kMaxSlots);
  if (!locals) return locals.error();
  code.locals = *locals;
  auto stack = bounded(reader, kCode, "co_stacksize", at, kMaxSlots);
  if (!stack) return stack.error();
  code.stack = *stack;
  return code;
}

Result<Code> read_new(Reader& reader, RemoteAddr at) {
  Objects objects(reader);
  auto type = objects.type_name(at);
  if (!type) return type.error();
  if (*type != "code")
    return Error{ErrorKind::inconsistent, fmt::format("a {} where a code object is due", *type), at, kCode};
  auto code = read_fields(reader, at);
  if (!code) return code;
  for (const auto& [member, text] :
       {std::pair("co_qualname", &code->function), std::pair("co_filename", &code->file)}) {
    auto object = reader.pointer(kCode, member, at);
    if (!object) return object.error();
    auto value = objects.str(*object);
    if (!value) return value.error();
    *text = *value;
  }
  return code;
}

}  // namespace

Result<Code*> read_code(Reader& reader, RemoteAddr code) {
  auto found = reader.codes.find(code.raw());
  if (found == reader.codes.end()) {
    auto fresh = read_new(reader, code);
    if (!fresh) return fresh.error();
    found = reader.codes.emplace(code.raw(), std::move(*fresh)).first;
  }
  return &found->second;
}

int decode_line(std::span<const std::byte> table, std::int64_t first_line, std::int64_t unit) {
  if (unit < 0) return static_cast<int>(first_line);  // before the first instruction (PyCode_Addr2Line)
  std::int64_t line = first_line, begin = 0;
  for (std::size_t i = 0; i < table.size();) {
    const auto head = std::to_integer<unsigned>(table[i]);
    const unsigned kind = head >> 3 & 15;
    const std::int64_t end = begin + (head & 7) + 1;
    if (kind == kNoColumns || kind == kLong) line += read_svarint(table, i + 1);
    if (kind >= kOneLine0 && kind <= kOneLine2) line += kind - kOneLine0;
    if (unit >= begin && unit < end) return kind == kNone || line < 0 || line > INT32_MAX ? 0 : static_cast<int>(line);
    begin = end;
    // The next entry starts at the next byte with bit 7 set.
    for (++i; i < table.size() && (std::to_integer<unsigned>(table[i]) & 0x80) == 0;) ++i;
  }
  return 0;
}

int line_of(Reader& reader, Code& code, std::int64_t unit) {
  const auto known = code.lines.find(static_cast<std::uint64_t>(unit));
  if (known != code.lines.end()) return known->second;
  auto size = bounded(reader, "PyBytesObject", "ob_base.ob_size", code.linetable, kMaxLineTable);
  auto data = reader.address("PyBytesObject", "ob_sval", code.linetable);
  if (!size || !data) return 0;
  std::vector<std::byte> table(*size);
  if (!reader.bytes(*data, table, "PyCodeObject.co_linetable")) return 0;
  return code.lines[static_cast<std::uint64_t>(unit)] = decode_line(table, code.first_line, unit);
}

std::vector<std::string> names_of_code(Reader& reader, RemoteAddr frame) {
  std::vector<std::string> names;
  Objects objects(reader);
  auto code = code_of_frame(reader, frame);
  if (!code) return names;
  auto tuple = reader.pointer("PyCodeObject", "co_names", *code);
  auto items = tuple ? objects.items(*tuple) : Result<std::vector<RemoteAddr>>(tuple.error());
  if (!items) return names;
  for (const RemoteAddr item : *items) names.push_back(objects.str(item).value_or(""));
  return names;
}

}  // namespace hang::cpython
