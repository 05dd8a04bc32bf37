// I2 subinterp-close-join: main ends a subinterpreter, one of whose threads waits for ever; Py_EndInterpreter joins it,
// in a thread state of the subinterpreter, where no signal handler may run. Must be said: I2, step 5. Twin:
// n3_end_interpreter.cpp.
#include "lab.h"

int main() {
  lab::start_python();
  PyThreadState* const state = Py_NewInterpreter();
  lab::require(state != nullptr, "no subinterpreter");
  lab::run(
      "import threading\n"
      "for_ever, started = threading.Event(), threading.Event()\n"
      "def wait():\n"
      "    started.set()\n"
      "    for_ever.wait()\n"
      "threading.Thread(target=wait, name='waiter', daemon=False).start()\n"
      "started.wait()\n");
  lab::ready(getpid());
  Py_EndInterpreter(state);
}
