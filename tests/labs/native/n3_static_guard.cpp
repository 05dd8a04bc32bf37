// N3, twin of g1_static_guard.cpp: main releases the GIL before it waits for the static, so that the initializer on the
// other thread gets the GIL and finishes; then main serves.
#include <atomic>
#include <thread>

#include "lab.h"

namespace {

std::atomic<pid_t> initializer{0};

PyObject* import_fractions() {
  initializer = gettid();
  const PyGILState_STATE gil = PyGILState_Ensure();
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
  PyObject* module = nullptr;
  Py_BEGIN_ALLOW_THREADS;
  module = fractions();
  Py_END_ALLOW_THREADS;
  return Py_NewRef(module);
}

}  // namespace

int main() {
  lab::offer("fractions", call);
  lab::start_python();
  std::thread(fractions).detach();
  lab::run("import native\nassert native.fractions().Fraction(1, 2)\n");
  lab::serve();
}
