// _Py_DebugOffsets: the table of offsets that CPython 3.13+ carries at the start of _PyRuntime for tools like this.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cpython/runtime.h"

namespace hang::cpython::layout {

// What the table begins with (Include/internal/pycore_debug_offsets.h; 3.13: pycore_runtime.h).
struct DebugOffsetsHead {
  std::array<char, 8> cookie;
  std::uint64_t version, free_threaded;  // PY_VERSION_HEX; 1 for a free-threaded build

  [[nodiscard]] bool has_cookie() const { return std::string_view(cookie.data(), cookie.size()) == kCookie; }
  static constexpr std::string_view kCookie = "xdebugpy";
};

// One number of the table: the offset of `member` in `type`, or sizeof(type) when `member` is empty.
struct DebugOffset {
  std::string_view type, member;
  std::uint64_t value = 0;
};

// Reads the table of a 3.13+ target. Every offset is checked to lie inside its struct as the table itself sizes it.
// The shipped table of the minor knows where each number lies, because their order changes between minors. Errors:
// `absent_field` for a minor without such a table, `inconsistent` for a wrong cookie, version or a nonsensical offset,
// naming it.
Result<std::vector<DebugOffset>> read_debug_offsets(Target& target, const Runtime& runtime);

}  // namespace hang::cpython::layout
