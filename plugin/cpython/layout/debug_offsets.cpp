#include "cpython/layout/debug_offsets.h"

#include <algorithm>
#include <fmt/format.h>
#include <span>

#include "cpython/layout/tables.h"

namespace hang::cpython::layout {

namespace {

// Larger than any of CPython's structs; guards sums and later reads.
constexpr std::uint64_t kMaxStruct = 16 << 20;

Error nonsense(const Runtime& runtime, const std::string& what) {
  return Error{ErrorKind::inconsistent, what, runtime.address, "_Py_DebugOffsets"};
}

Result<void> check_header(const Runtime& runtime, const DebugOffsetsHead& header) {
  const bool fits = header.has_cookie() && header.version >> 16 == runtime.hexversion >> 16;
  if (runtime.assumed && !fits) return Error{ErrorKind::absent_field, "not those of the minor that is assumed"};
  if (!header.has_cookie()) return nonsense(runtime, "no cookie \"xdebugpy\" at _PyRuntime");
  if (header.version >> 16 != runtime.hexversion >> 16)
    return nonsense(runtime, fmt::format("the offsets are for CPython {:#x}, the runtime says {:#x}", header.version,
                                         runtime.hexversion));
  if ((header.free_threaded != 0) != (runtime.flavour == Flavour::free_threaded))
    return nonsense(runtime, "the offsets are those of a build with another kind of GIL");
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
  const Table* table = table_of(runtime.minor());
  std::vector<const Row*> rows;
  std::uint64_t size = 0;  // of what has to be read
  for (const Row& row : table == nullptr ? std::span<const Row>() : table->rows) {
    if (row.kind != RowKind::debug_offset) continue;
    rows.push_back(&row);
    size = std::max(size, static_cast<std::uint64_t>(row.release.first) + sizeof(std::uint64_t));
  }
  if (rows.empty()) return Error{ErrorKind::absent_field, "this CPython has no _Py_DebugOffsets that is known here"};
  auto header = read_value<DebugOffsetsHead>(target, runtime.address, "_Py_DebugOffsets");
  if (!header) return header.error();
  if (auto good = check_header(runtime, *header); !good) return good.error();

  std::vector<std::uint64_t> numbers(size / sizeof(std::uint64_t));
  auto done = read_exact(target, runtime.address, std::as_writable_bytes(std::span(numbers)), "_Py_DebugOffsets");
  if (!done) return done.error();
  std::vector<DebugOffset> offsets;
  offsets.reserve(rows.size());
  for (const Row* row : rows)
    offsets.push_back(
        {row->type, row->member, numbers[static_cast<std::size_t>(row->release.first) / sizeof(std::uint64_t)]});
  if (auto good = check_offsets(runtime, offsets); !good) return good.error();
  return offsets;
}

}  // namespace hang::cpython::layout
