// G2 gilstate-wrong-interpreter, up to 3.12: main makes a subinterpreter and hands its thread state to a native thread.
// PyGILState_Ensure knows nothing of it there, makes a thread state of the main interpreter, and waits for the GIL that
// its own thread holds. 3.13 ends such a process: "Fatal Python error: _PyThreadState_Attach: non-NULL old thread
// state". Must be said: G2, step 5, the native thread.
#include <thread>

#include "lab.h"

namespace {

PyObject* call_back(PyObject* /*module*/, PyObject* /*none*/) {
  lab::ready(gettid());
  PyGILState_Release(PyGILState_Ensure());
  Py_RETURN_NONE;
}

void work(PyThreadState* state) {
  PyEval_RestoreThread(state);
  lab::run("import native\nnative.call_back()\n");
  PyEval_SaveThread();
}

}  // namespace

int main() {
  lab::offer("call_back", call_back);
  lab::start_python();
  PyThreadState* const made = Py_NewInterpreter();
  lab::require(made != nullptr, "no subinterpreter");
  std::thread worker(work, PyEval_SaveThread());
  worker.join();
}
