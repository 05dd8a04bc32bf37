// I2 subinterp-close-join: main ends a subinterpreter, one of whose threads waits for ever; Py_EndInterpreter joins it,
// in a thread state of the subinterpreter, where no signal handler may run. Must be said: I2, step 5, the thread that
// waits. Twin: n3_end_interpreter.cpp.
#include "lab.h"

int main() {
  lab::start_python();
  PyThreadState* const state = Py_NewInterpreter();
  lab::require(state != nullptr, "no subinterpreter");
  lab::run(
      "import os, threading\n"
      "for_ever, started = threading.Event(), threading.Event()\n"
      "def wait():\n"
      "    started.set()\n"
      "    for_ever.wait()\n"
      "waiter = threading.Thread(target=wait, name='waiter', daemon=False)\n"
      "waiter.start()\n"
      "started.wait()\n"
      "os.write(1, f'READY blame={waiter.native_id}\\n'.encode())\n");
  Py_EndInterpreter(state);
}
