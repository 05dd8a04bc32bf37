// G2 gilstate-wrong-interpreter, on every version: main makes a subinterpreter and hands its thread state to a native
// thread. PyGILState_Ensure knows nothing of it there, makes a thread state of the main interpreter, and waits for the
// GIL that its own thread holds. Must be said: G2, step 5.
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
