#include "hosts/lldb/liblldb.h"

#include <cstring>
#include <dlfcn.h>
#include <link.h>
#include <string_view>

namespace hang::lldb_host {
namespace {

constexpr const char* kAnySymbol = "_ZN4lldb10SBDebugger16GetVersionStringEv";

// dl_iterate_phdr's callback; nonzero ends the walk.
int promote(dl_phdr_info* info, std::size_t, void*) {
  const char* slash = info->dlpi_name != nullptr ? std::strrchr(info->dlpi_name, '/') : nullptr;
  // liblldb.so.22, or _lldb.cpython-313-x86_64-linux-gnu.so, which is a link to it.
  if (slash == nullptr || std::string_view(slash).find("lldb") == std::string_view::npos) return 0;
  void* library = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return 0;
  // Our own handle does not find it: it looks in us and in what we are linked against.
  bool found = dlsym(library, kAnySymbol) != nullptr;
  if (found) dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
  dlclose(library);
  return found ? 1 : 0;
}

}  // namespace

bool make_liblldb_global() {
  if (dlsym(RTLD_DEFAULT, kAnySymbol) != nullptr) return true;
  dl_iterate_phdr(promote, nullptr);
  return dlsym(RTLD_DEFAULT, kAnySymbol) != nullptr;
}

}  // namespace hang::lldb_host
