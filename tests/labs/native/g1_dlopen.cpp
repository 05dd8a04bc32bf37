// G1 gil-vs-native-lock, by glibc's loader lock: a native thread walks the loaded libraries (as unwinders and profilers
// do) and its callback wants the GIL; main holds the GIL and loads a plugin, which dlopen cannot add to the list of
// libraries while somebody walks it. Must be said: G1, step 5. Twin: n3_static_guard.cpp.
#include <atomic>
#include <dlfcn.h>
#include <link.h>
#include <thread>

#include "lab.h"

namespace {

std::atomic<pid_t> walker{0};

int visit(dl_phdr_info* /*info*/, std::size_t /*size*/, void* /*data*/) {
  walker = gettid();
  const PyGILState_STATE gil = PyGILState_Ensure();  // main has it, and never lets go
  PyGILState_Release(gil);
  return 1;
}

// A library of libc's own, which no Python loads at its start.
PyObject* load_plugin(PyObject* /*module*/, PyObject* /*none*/) {
  std::thread([] { dl_iterate_phdr(visit, nullptr); }).detach();
  while (walker == 0) sched_yield();
  lab::await_syscall(walker, lab::kFutex);
  lab::ready(getpid());
  return PyBool_FromLong(dlopen("libresolv.so.2", RTLD_NOW) != nullptr);
}

}  // namespace

int main() {
  lab::offer("load_plugin", load_plugin);
  lab::start_python();
  lab::run("import native\nnative.load_plugin()\n");
}
