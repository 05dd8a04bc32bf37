// Layout: where a field of a CPython struct lies, asked by name, answered by a provider that is remembered.
//
// Providers, in order: the target's own _Py_DebugOffsets (3.13+), the shipped table generated from the embedding
// headers of that minor (tables/), and the debugger's DWARF (Target::member) for fields the table does not have.
// Rules and readers ask for a field, never for a version; versions are compared in this folder only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cpython/runtime.h"
#include "facts/facts.h"

namespace hang::cpython::layout {

// Offset 0 is a real offset; "no such field" is an Error of kind absent_field.
struct Field {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // bytes; of the whole member
  facts::Source source = facts::Source::table;
};

// A bit-field inside a member: PyThreadState._status.active.
struct BitField {
  Field member;
  unsigned first_bit = 0, width = 1;  // bit 0 = lowest bit of the member's first byte
};

class Layout {
 public:
  // The layout for `runtime`, or `unsupported_version` by name. On 3.13+ `inconsistent` if the target's own
  // _Py_DebugOffsets contradict the shipped table, naming the field.
  static Result<std::unique_ptr<Layout>> choose(Target& target, const Runtime& runtime);
  virtual ~Layout() = default;

  // find("PyThreadState", "native_thread_id"), find("_PyRuntimeState", "interpreters.head"); nothing when this CPython
  // has no such member. field() is the same with an `absent_field` that names it.
  virtual std::optional<Field> find(std::string_view type, std::string_view member) = 0;
  Result<Field> field(std::string_view type, std::string_view member);
  // bit_field("PyThreadState", "_status", "active"); `absent_field` when this CPython has no such bits.
  virtual Result<BitField> bit_field(std::string_view type, std::string_view member, std::string_view bits) = 0;
  // sizeof(type)
  virtual Result<std::uint64_t> size_of(std::string_view type) = 0;
  // A named integer constant of that minor's headers ("FRAME_OWNED_BY_CSTACK", "_PY_GIL_DROP_REQUEST_BIT").
  virtual std::optional<std::int64_t> constant(std::string_view name) = 0;
  [[nodiscard]] bool has(std::string_view type, std::string_view member) { return find(type, member).has_value(); }
  // Providers that answered so far, for the report.
  [[nodiscard]] virtual std::vector<std::string> providers_used() const = 0;
};

}  // namespace hang::cpython::layout
