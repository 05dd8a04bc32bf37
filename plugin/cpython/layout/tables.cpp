#include "cpython/layout/tables.h"

namespace hang::cpython::layout {

namespace {

// "struct _gil_runtime_state" is asked for as "_gil_runtime_state".
constexpr std::string_view bare(std::string_view type) {
  constexpr std::string_view kStruct = "struct ";
  return type.substr(0, kStruct.size()) == kStruct ? type.substr(kStruct.size()) : type;
}

#define HANG_TYPE(t, header, r, d) Row{RowKind::type, bare(#t), {}, {}, {r, 0}, {d, 0}},
#define HANG_FIELD(t, m, r, rs, d, ds) Row{RowKind::field, bare(#t), #m, {}, {r, rs}, {d, ds}},
#define HANG_BITS(t, m, b, r, rw, d, dw) Row{RowKind::bits, bare(#t), #m, #b, {r, rw}, {d, dw}},
#define HANG_CONSTANT(name, value) Row{RowKind::constant, {}, #name, {}, {value, 0}, {value, 0}},
#define HANG_COMPUTED(name, expression, value) Row{RowKind::constant, {}, #name, {}, {value, 0}, {value, 0}},

constexpr Row kRows11[] = {
#include "cpython/layout/tables/v3_11.inc"
};
constexpr Row kRows12[] = {
#include "cpython/layout/tables/v3_12.inc"
};
constexpr Row kRows13[] = {
#include "cpython/layout/tables/v3_13.inc"
};

constexpr Table kTables[] = {{11, kRows11}, {12, kRows12}, {13, kRows13}};

#define HANG_MODULE_FIELD(first, last, type, member, offset, size, source) \
  ModuleRow{first, last, #type, #member, offset, size, source},
constexpr ModuleRow kModuleRows[] = {
#include "cpython/layout/tables/modules.inc"
};

}  // namespace

std::span<const Table> tables() {
  return kTables;
}
std::span<const ModuleRow> module_rows() {
  return kModuleRows;
}

}  // namespace hang::cpython::layout
