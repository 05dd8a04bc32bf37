// S1 gil-hostage-signal-drop: a native thread of the host program runs a legacy subinterpreter, in which an extension
// computes for ever with the GIL in hand; main is in asyncio. Must be said: S1, step 5, the native thread. Twin:
// n3_embedded.cpp.
#include <thread>

#include "lab.h"

namespace {

PyObject* spin(PyObject* /*module*/, PyObject* /*none*/) {
  Py_BEGIN_ALLOW_THREADS;  // until main is where it will stay
  lab::await_syscall(getpid(), lab::kEpoll);
  Py_END_ALLOW_THREADS;
  lab::ready(gettid());
  for (volatile unsigned steps = 0;;) steps = steps + 1;
}

void drive(PyInterpreterState* interpreter) {
  PyEval_RestoreThread(PyThreadState_New(interpreter));
  lab::run("import native\nnative.spin()\n");
}

}  // namespace

int main() {
  lab::offer("spin", spin);
  lab::start_python();
  PyThreadState* const own = PyThreadState_Get();
  PyThreadState* const state = Py_NewInterpreter();
  lab::require(state != nullptr, "no subinterpreter");
  std::thread(drive, PyThreadState_GetInterpreter(state)).detach();
  PyThreadState_Swap(own);
  lab::run("import asyncio\nasyncio.run(asyncio.sleep(1_000_000))\n");
}
