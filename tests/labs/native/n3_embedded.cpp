// N3, twin of s1_embedded.cpp and s2_embedded.cpp: a native thread of the host program sleeps in a legacy
// subinterpreter without the GIL, and main serves.
#include <atomic>
#include <thread>

#include "lab.h"

namespace {

std::atomic<pid_t> driver{0};

void drive(PyInterpreterState* interpreter) {
  driver = gettid();
  PyEval_RestoreThread(PyThreadState_New(interpreter));
  lab::run("import time\ntime.sleep(1_000_000)\n");
}

}  // namespace

int main() {
  lab::start_python();
  PyThreadState* const own = PyThreadState_Get();
  PyThreadState* const state = Py_NewInterpreter();
  lab::require(state != nullptr, "no subinterpreter");
  std::thread(drive, PyThreadState_GetInterpreter(state)).detach();
  PyThreadState_Swap(own);
  Py_BEGIN_ALLOW_THREADS;
  while (driver == 0) sched_yield();
  lab::await_syscall(driver, lab::kNanosleep);
  Py_END_ALLOW_THREADS;
  lab::serve();
}
