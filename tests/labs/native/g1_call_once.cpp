// G1 gil-vs-native-lock, by std::call_once: as g1_static_guard.cpp, but main waits in pthread_once. Must be said: G1,
// step 5. Twin: n3_static_guard.cpp.
#include <atomic>
#include <mutex>
#include <thread>

#include "lab.h"

namespace {

std::atomic<pid_t> initializer{0};
std::once_flag imported;
PyObject* module = nullptr;

void import_fractions() {
  initializer = gettid();
  const PyGILState_STATE gil = PyGILState_Ensure();  // main has it, and never lets go
  module = PyImport_ImportModule("fractions");
  PyGILState_Release(gil);
}

void import_once() {
  std::call_once(imported, import_fractions);
}

PyObject* call(PyObject* /*module*/, PyObject* /*none*/) {
  while (initializer == 0) sched_yield();
  lab::await_syscall(initializer, lab::kFutex);
  initializer = 0;  // a once_flag has no owner: no TID beside it may look like one
  lab::ready(getpid());
  import_once();
  return Py_NewRef(module);
}

}  // namespace

int main() {
  lab::offer("fractions", call);
  lab::start_python();
  std::thread(import_once).detach();
  lab::run("import native\nnative.fractions()\n");
}
