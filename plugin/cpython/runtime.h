// Finding the CPython runtime of a target: which module, where _PyRuntime is, which version and build it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "cpython/flavour.h"
#include "target/target.h"

namespace hang::cpython {

struct Runtime {
  RemoteAddr address;            // &_PyRuntime
  Module module;                 // the executable or libpython that defines it
  std::uint32_t hexversion = 0;  // Py_Version (3.11+), 0x030d00f0
  std::string version;           // "3.13.0"
  Flavour flavour = Flavour::release;
  bool flavour_known = true;  // false: the symbols that would tell a debug build are hidden
  bool assumed = false;       // the layout of 3.minor() was asked for by the user; `version` is what was found

  [[nodiscard]] int minor() const { return static_cast<int>(hexversion >> 16 & 0xff); }
};

struct RuntimeOptions {
  // --assume-python 3.N: read the target with the layout of CPython 3.N, whatever it says it is (or cannot say).
  std::optional<int> assumed_minor;
};

// Finds the runtimes of a process, likeliest first: every module that defines _PyRuntime, most processes have one.
// Where the symbol is hidden, by the section .PyRuntime, and without section headers by the cookie that it begins with
// (3.13+). Errors, about the likeliest: `not_python` (no module has a runtime nor looks like an older CPython),
// `unsupported_version` naming the version found and the range supported (2.7 and 3.6 to 3.10 included, from the
// exported symbols and file names; newer ones by Py_Version), `unreadable`/`no_permission`/`no_such_process` from the
// target. An undefined reference to _PyRuntime in an extension module is not a definition. On 3.13+ the cookie
// "xdebugpy" at the address must match. A free-threaded build is refused by name.
Result<std::vector<Runtime>> find_runtimes(Target& target, const RuntimeOptions& options = {});
// The likeliest of them.
Result<Runtime> find_runtime(Target& target, const RuntimeOptions& options = {});

}  // namespace hang::cpython
