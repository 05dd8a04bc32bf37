// N3, twin of i2_end_interpreter.cpp: the subinterpreter's thread has ended, so that main could end the subinterpreter,
// and serves.
#include "lab.h"

int main() {
  lab::start_python();
  PyThreadState* const own = PyThreadState_Get();
  PyThreadState* const state = Py_NewInterpreter();
  lab::require(state != nullptr, "no subinterpreter");
  lab::run(
      "import threading\n"
      "for_ever, started = threading.Event(), threading.Event()\n"
      "def wait():\n"
      "    started.set()\n"
      "    for_ever.wait()\n"
      "threading.Thread(target=wait, name='waiter', daemon=False).start()\n"
      "started.wait()\n"
      "for_ever.set()\n");
  Py_EndInterpreter(state);
  PyThreadState_Swap(own);
  lab::serve();
}
