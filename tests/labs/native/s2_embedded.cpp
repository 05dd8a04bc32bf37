// S2 subinterp-owns-main-thread: the main thread of the host program sleeps in a subinterpreter, where no signal
// handler may run. Must be said: S2, step 5. Twin: n3_embedded.cpp.
#include "lab.h"

int main() {
  lab::start_python();
  lab::require(Py_NewInterpreter() != nullptr, "no subinterpreter");
  lab::ready(getpid());
  lab::run("import time\ntime.sleep(1_000_000)\n");
}
