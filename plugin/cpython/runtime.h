// Finding the CPython runtime of a target: which module, where _PyRuntime is, which version and build it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/address.h"
#include "base/result.h"
#include "target/target.h"

namespace hang::cpython {

// Build flavours whose struct layouts differ.
enum class Flavour { release, debug, free_threaded };
const char* to_string(Flavour flavour);

struct Runtime {
  RemoteAddr address;            // &_PyRuntime
  Module module;                 // the executable or libpython that defines it
  std::uint32_t hexversion = 0;  // Py_Version (3.11+), 0x030d00f0
  std::string version;           // "3.13.0"
  Flavour flavour = Flavour::release;
  bool assumed = false;  // the version was given by the user, not read

  [[nodiscard]] int minor() const { return static_cast<int>(hexversion >> 16 & 0xff); }
};

// Oldest and newest supported minor, for messages.
inline constexpr int kOldestMinor = 11, kNewestMinor = 13;

// Finds the runtime. Errors: `not_python` (no module defines _PyRuntime nor looks like an older CPython),
// `unsupported_version` naming the version found and the range supported (2.7 and 3.6 to 3.10 included, from the
// exported symbols and file names; 3.14+ by Py_Version), `unreadable`/`no_permission`/`no_such_process` from the
// target. An undefined reference to _PyRuntime in an extension module is not a definition. On 3.13+ the cookie
// "xdebugpy" at the address must match. A free-threaded build is refused by name.
Result<Runtime> find_runtime(Target& target);

}  // namespace hang::cpython
