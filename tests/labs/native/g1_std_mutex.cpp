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
  PyRun_SimpleString("pass");
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

// Each has released the GIL for its sleep before this returns.
void start_sleepers() {
  lab::run(
      "import threading, time\n"
      "for name in 'sleeper-0', 'sleeper-1':\n"
      "    thread = threading.Thread(target=time.sleep, args=(1_000_000,), name=name, daemon=True)\n"
      "    thread.start()\n"
      "    while open(f'/proc/self/task/{thread.native_id}/syscall').read().split()[0] not in ('35', '230'):\n"
      "        time.sleep(0.001)\n");
}

}  // namespace

int main() {
  lab::offer("enlist", enlist);
  lab::start_python();
  start_sleepers();
  lab::run("import native\nnative.enlist()\n");
}
