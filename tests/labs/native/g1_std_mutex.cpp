// G1 gil-vs-native-lock, by a std::mutex: a native thread owns it and wants the GIL for a callback, main holds the GIL
// and wants the mutex. Two Python threads that sleep have no part in it. Must be said: G1, step 5. Twin:
// n3_native_mutex.py.
#include <atomic>
#include <mutex>
#include <thread>

#include "lab.h"

namespace {

std::mutex registry;
std::atomic<pid_t> owner{0};

void call_back() {
  const std::lock_guard lock(registry);
  owner = gettid();
  const PyGILState_STATE gil = PyGILState_Ensure();  // main has it, and never lets go
  PyRun_SimpleString("callback()");
  PyGILState_Release(gil);
}

PyObject* enlist(PyObject* /*module*/, PyObject* /*none*/) {
  std::thread(call_back).detach();
  while (owner == 0) sched_yield();
  lab::await_syscall(owner, lab::kFutex);
  lab::ready(getpid());
  const std::lock_guard lock(registry);
  Py_RETURN_NONE;
}

PyObject* sleeper(const char* name) {
  PyObject* const globals = PyModule_GetDict(PyImport_AddModule("__main__"));
  return PyRun_String(name, Py_eval_input, globals, globals);
}

// Each has released the GIL for its sleep before this returns.
void start_sleepers() {
  lab::run(
      "import threading, time\n"
      "def sleeper(name):\n"
      "    thread = threading.Thread(target=time.sleep, args=(1_000_000,), name=name, daemon=True)\n"
      "    thread.start()\n"
      "    return thread.native_id\n");
  for (const char* start : {"sleeper('sleeper-0')", "sleeper('sleeper-1')"}) {
    PyObject* const tid = sleeper(start);
    lab::require(tid != nullptr, "no thread");
    const auto number = static_cast<pid_t>(PyLong_AsLong(tid));
    Py_DECREF(tid);
    Py_BEGIN_ALLOW_THREADS;
    lab::await_syscall(number, lab::kNanosleep);
    Py_END_ALLOW_THREADS;
  }
}

}  // namespace

int main() {
  lab::offer("enlist", enlist);
  lab::start_python();
  start_sleepers();
  lab::run("import native\nnative.enlist()\n");
}
