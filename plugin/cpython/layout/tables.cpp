#include "cpython/layout/tables.h"

#include <limits>

namespace hang::cpython::layout {

namespace {

// "struct _gil_runtime_state" is asked for as "_gil_runtime_state".
constexpr std::string_view bare(std::string_view type) {
  constexpr std::string_view kStruct = "struct ";
  return type.substr(0, kStruct.size()) == kStruct ? type.substr(kStruct.size()) : type;
}

#define HANG_TYPE(t, header, r, d, f) Row{RowKind::type, bare(#t), {}, {}, {r, 0}, {d, 0}, {f, 0}},
#define HANG_OPEN_TYPE(t, header, r, d, f) Row{RowKind::open_type, bare(#t), {}, {}, {r, 0}, {d, 0}, {f, 0}},
#define HANG_FIELD(t, m, r, rs, d, ds, f, fs) Row{RowKind::field, bare(#t), #m, {}, {r, rs}, {d, ds}, {f, fs}},
#define HANG_BITS(t, m, b, r, rw, d, dw, f, fw) Row{RowKind::bits, bare(#t), #m, #b, {r, rw}, {d, dw}, {f, fw}},
#define HANG_CONSTANT(name, r, d, f) Row{RowKind::constant, {}, #name, {}, {r, 0}, {d, 0}, {f, 0}},
#define HANG_COMPUTED(name, expression, r, d, f) HANG_CONSTANT(name, r, d, f)
#define HANG_OFFSET(place, at, t, m) Row{RowKind::debug_offset, bare(#t), #m, {}, {at, 0}, {at, 0}, {at, 0}},
#define HANG_SIZE(place, at, t) Row{RowKind::debug_offset, bare(#t), {}, {}, {at, 0}, {at, 0}, {at, 0}},

// Written by CMake, one for each file in tables/: kRowsN and kTables.
#include "cpython/layout/shipped_tables.inc"

// No minor is known to differ: the tests compare each one with its debug information before it gets a table.
#define HANG_ON std::numeric_limits<int>::max()
#define HANG_MODULE_FIELD(first, last, type, member, offset, size, source) \
  ModuleRow{first, last, #type, #member, offset, size, source},
constexpr ModuleRow kModuleRows[] = {
#include "cpython/layout/tables/modules.inc"
};

}  // namespace

bool Table::has(Flavour flavour) const {
  return !rows.empty() && rows.front().of(flavour).first >= 0;
}

std::span<const Table> tables() {
  return kTables;
}
const Table* table_of(int minor) {
  for (const Table& table : tables())
    if (table.minor == minor) return &table;
  return nullptr;
}
std::span<const ModuleRow> module_rows() {
  return kModuleRows;
}

}  // namespace hang::cpython::layout
