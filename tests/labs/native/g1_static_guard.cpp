// G1 gil-vs-native-lock, by the hidden lock of a C++ function-local static (what pybind11's
// gil_safe_call_once_and_store is for): a native thread runs the initializer of a static, which wants the GIL; main,
// which holds the GIL, wants that static too and waits in __cxa_guard_acquire. Must be said: G1, step 5. Twin:
// n3_static_guard.cpp.
#include <atomic>
#include <thread>

#include "lab.h"

namespace {

std::atomic<pid_t> initializer{0};

PyObject* import_fractions() {
  initializer = gettid();
  const PyGILState_STATE gil = PyGILState_Ensure();  // main has it, and never lets go
  PyObject* const module = PyImport_ImportModule("fractions");
  PyGILState_Release(gil);
  return module;
}

PyObject* fractions() {
  static PyObject* const module = import_fractions();
  return module;
}

PyObject* call(PyObject* /*module*/, PyObject* /*none*/) {
  while (initializer == 0) sched_yield();
  lab::await_syscall(initializer, lab::kFutex);
  initializer = 0;  // a guard has no owner: no TID beside it may look like one
  lab::ready(getpid());
  return Py_NewRef(fractions());
}

}  // namespace

int main() {
  lab::offer("fractions", call);
  lab::start_python();
  std::thread(fractions).detach();
  lab::run("import native\nnative.fractions()\n");
}
