#pragma once

#include <dlfcn.h>

namespace hang {

// A shared library that few commands need: loaded by those, because every command would pay for loading it at the
// start. Owns its handle. NODELETE: relocating takes milliseconds, which the next use in the same process need not pay
// again.
class SharedLibrary {
 public:
  explicit SharedLibrary(const char* name) : handle_(dlopen(name, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE)) {}
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;
  ~SharedLibrary() {
    if (handle_ != nullptr) dlclose(handle_);
  }

  // Sets `function` to the symbol `name`. False, and null, where the library or the symbol is missing.
  template <typename Function>
  bool bind(Function& function, const char* name) const {
    function = handle_ != nullptr ? reinterpret_cast<Function>(dlsym(handle_, name)) : nullptr;
    return function != nullptr;
  }

 private:
  void* handle_;
};

}  // namespace hang
