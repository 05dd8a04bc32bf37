#include "cpython/instructions.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace hang::cpython {

namespace {

constexpr std::uint64_t kMaxUnits = 1 << 18;  // of one function whose code is taken apart
constexpr std::uint64_t kMaxTable = 1 << 20;  // bytes of one function's exception table

// One number of an exception table: six bits a byte, most significant first; bit 6 = more follow. Bit 7 marks an
// entry's begin.
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

// Entry `index` of a table of bytes that the layout keeps eight in a word; words of zeros have no row.
std::uint8_t packed(layout::Layout& layout, const char* table, unsigned index) {
  const auto word = layout.constant(fmt::format("{}_{}", table, index / 8)).value_or(0);
  return static_cast<std::uint8_t>(static_cast<std::uint64_t>(word) >> (index % 8 * 8));
}

std::string upper(std::string text) {
  for (char& letter : text) letter = static_cast<char>(std::toupper(letter));
  return text;
}

}  // namespace

Opcodes::Opcodes(layout::Layout& layout) {
  std::array<Op, 256> ops{};
#define HANG_OP(name) \
  if (const auto number = layout.constant(upper(#name))) ops[static_cast<std::uint8_t>(*number)] = Op::name;
  HANG_OPS(HANG_OP)
#undef HANG_OP
  for (unsigned i = 0; i < meanings_.size(); ++i) {
    const auto base = packed(layout, "opcode_base", i);
    if (base != 0) meanings_[i] = {ops[base], packed(layout, "opcode_caches", i), true};
  }
}

Result<std::vector<Instruction>> read_instructions(Reader& reader, const Opcodes& opcodes, const Code& code) {
  if (code.units > kMaxUnits)
    return Error{ErrorKind::budget, fmt::format("a function of {} code units", code.units), code.first,
                 "PyCodeObject.co_code_adaptive"};
  constexpr std::size_t kUnit = 2;  // an opcode and its argument (union _Py_CODEUNIT)
  std::vector<std::byte> bytes(code.units * kUnit);
  if (auto done = reader.bytes(code.first, bytes, "PyCodeObject.co_code_adaptive"); !done) return done.error();
  std::vector<Instruction> found;
  std::uint32_t prefix = 0;
  for (std::uint64_t unit = 0, begin = 0; unit < code.units;) {
    const auto opcode = std::to_integer<std::uint8_t>(bytes[unit * kUnit]);
    const auto& meaning = opcodes.of(opcode);
    if (!meaning.known)
      return Error{ErrorKind::inconsistent, fmt::format("opcode {}", opcode), code.first.field(unit * kUnit),
                   "PyCodeObject.co_code_adaptive"};
    const auto argument = prefix << 8 | std::to_integer<std::uint32_t>(bytes[unit * kUnit + 1]);
    unit += 1U + meaning.caches;
    prefix = meaning.op == Op::extended_arg ? argument : 0;
    if (meaning.op == Op::extended_arg) continue;
    found.push_back({meaning.op, argument, begin, unit});
    begin = unit;
  }
  return found;
}

const Instruction* instruction_at(const std::vector<Instruction>& code, std::uint64_t unit) {
  const auto after = std::upper_bound(code.begin(), code.end(), unit,
                                      [](std::uint64_t at, const Instruction& one) { return at < one.unit; });
  return after == code.begin() || unit >= std::prev(after)->next ? nullptr : &*std::prev(after);
}

Result<std::vector<ExceptionEntry>> read_exception_table(Reader& reader, RemoteAddr code) {
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
  std::vector<ExceptionEntry> entries;
  for (Numbers numbers{table}; numbers.more();) {
    ExceptionEntry entry;
    entry.start = numbers.next();
    entry.size = numbers.next();
    entry.handler = numbers.next();
    entry.depth = numbers.next() >> 1;  // bit 0: the instruction is pushed, too
    entries.push_back(entry);
  }
  return entries;
}

const ExceptionEntry* entry_at(std::span<const ExceptionEntry> table, std::uint64_t unit) {
  for (const ExceptionEntry& entry : table)
    if (unit >= entry.start && unit - entry.start < entry.size) return &entry;
  return nullptr;
}

}  // namespace hang::cpython
