// The CPythons of this machine, for tests that run on each of them.
#pragma once

#include <string>
#include <vector>

namespace hang::test {

struct CPython {
  std::string executable;  // real path, no shim, no symbolic link
  std::string version;     // "3.11.2"
  int major = 0, minor = 0, micro = 0;
  bool debug = false;          // Py_DEBUG: sys.gettotalrefcount exists
  bool free_threaded = false;  // sys.abiflags has a 't'
  bool supported = false;      // hang has a layout for it: 3.11 to 3.13 with a GIL
  // Fit for a test's name: "py3_11_2", "py3_11_2_debug". Unique on this machine.
  std::string name;
};

// HANG_TEST_PYTHONS (executables separated by colons) if set, else: python, python3, python3.N and python3.N-dbg in
// PATH and /usr/bin and /usr/local/bin, and $PYENV_ROOT (or ~/.pyenv)/versions/*/bin. Scripts (pyenv's shims) and other
// implementations are left out. Sorted by version. Found once per test process.
const std::vector<CPython>& installed_pythons();
std::vector<CPython> supported_pythons();
std::vector<CPython> unsupported_pythons();

// For INSTANTIATE_TEST_SUITE_P: names the parameter.
template <typename ParamInfo>
std::string python_name(const ParamInfo& info) {
  return info.param.name;
}
// So that GoogleTest prints a parameter as words and not as bytes.
void PrintTo(const CPython& python, std::ostream* out);

}  // namespace hang::test
