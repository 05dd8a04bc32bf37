// G2 gilstate-wrong-interpreter, up to 3.11 (3.12 keeps the two in step, and the call returns): in a subinterpreter's
// thread state, main calls an extension that calls PyGILState_Ensure, which takes the main interpreter's thread state
// and waits for the GIL that this thread holds. Must be said: G2, step 5.
#include "lab.h"

namespace {

PyObject* call_back(PyObject* /*module*/, PyObject* /*none*/) {
  lab::ready(getpid());
  PyGILState_Release(PyGILState_Ensure());
  Py_RETURN_NONE;
}

}  // namespace

int main() {
  lab::offer("call_back", call_back);
  lab::start_python();
  lab::require(Py_NewInterpreter() != nullptr, "no subinterpreter");
  lab::run("import native\nnative.call_back()\n");
}
