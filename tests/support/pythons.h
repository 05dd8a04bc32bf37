// The CPythons of this machine, for tests that run on each of them.
#pragma once

#include <string>
#include <vector>

namespace hang::test {

struct CPython {
  std::string executable;  // real path inside `root`, no shim, no symbolic link
  std::string root;        // "", or the folder of the root file system that it lives in (scripts/pythons)
  std::string version;     // "3.11.2"
  int major = 0, minor = 0, micro = 0;
  bool debug = false;          // Py_DEBUG: sys.gettotalrefcount exists
  bool free_threaded = false;  // sys.abiflags has a 't'
  bool supported = false;      // hang has a layout for it: 3.11 on, with a GIL
  // Fit for a test's name: "py3_11_2", "py3_11_2_debug". Unique on this machine.
  std::string name;

  // The executable as this machine sees it.
  [[nodiscard]] std::string path() const { return root + executable; }
};

// HANG_TEST_PYTHONS (executables separated by colons) if set, else: python, python3, python3.N and python3.N-dbg in
// PATH and /usr/bin and /usr/local/bin, $PYENV_ROOT (or ~/.pyenv)/versions/*/bin, and, for root, those in the root file
// systems that scripts/pythons made. Scripts (pyenv's shims) and other implementations are left out. Sorted by version.
// Found once per test process.
const std::vector<CPython>& installed_pythons();
std::vector<CPython> supported_pythons();
std::vector<CPython> unsupported_pythons();

// The newest supported one outside of any root file system, or NULL: for tests of what does not depend on the version.
const CPython* newest_here();

// For INSTANTIATE_TEST_SUITE_P: names the parameter.
template <typename ParamInfo>
std::string python_name(const ParamInfo& info) {
  return info.param.name;
}
// So that GoogleTest prints a parameter as words and not as bytes.
void PrintTo(const CPython& python, std::ostream* out);

}  // namespace hang::test
