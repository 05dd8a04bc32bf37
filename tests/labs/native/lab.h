// What the labs in C++ share: an interpreter as `python` starts it, a built-in module, the READY line, and waiting for
// kernel facts. See labkit.py for the same in Python.
#pragma once

#include <Python.h>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <sched.h>
#include <string>
#include <unistd.h>

namespace lab {

// Linux x86-64 system call numbers.
constexpr std::initializer_list<long> kFutex{202};
constexpr std::initializer_list<long> kNanosleep{35, 230};
constexpr std::initializer_list<long> kEpoll{232, 281};

inline void require(bool met, const char* what) {
  if (met) return;
  std::fprintf(stderr, "lab: %s\n", what);
  std::_Exit(3);
}

// Says that the state claimed is here. `blame` is the thread that the verdict must blame.
inline void ready(pid_t blame) {
  const std::string line = "READY blame=" + std::to_string(blame) + "\n";
  require(write(STDOUT_FILENO, line.data(), line.size()) > 0, "stdout");
}

// Returns once thread `tid` of this process is blocked in one of these system calls. Whoever waits with the GIL in hand
// keeps it.
inline void await_syscall(pid_t tid, std::initializer_list<long> numbers) {
  const std::string path = "/proc/self/task/" + std::to_string(tid) + "/syscall";
  for (;; sched_yield()) {
    std::FILE* const file = std::fopen(path.c_str(), "re");
    require(file != nullptr, "the thread to wait for is gone");
    long found = -1;
    const bool blocked = std::fscanf(file, "%ld", &found) == 1;  // "running" is no number
    std::fclose(file);
    for (const long number : numbers)
      if (blocked && found == number) return;
  }
}

// `import native` finds one function, as an extension module would have it. To be called before start_python().
inline void offer(const char* name, PyCFunction function) {
  static PyMethodDef methods[] = {{name, function, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
  // In two phases: legacy subinterpreters can import it too.
  static PyModuleDef module = {
      PyModuleDef_HEAD_INIT, "native", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr};
  const auto init = [] { return PyModuleDef_Init(&module); };
  require(PyImport_AppendInittab("native", init) == 0, "PyImport_AppendInittab");
}

// As `python` starts: SIGINT raises KeyboardInterrupt.
inline void start_python() {
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  PyConfig_SetBytesString(&config, &config.home, HANG_PYTHON_HOME);
  PyConfig_SetBytesString(&config, &config.program_name, HANG_PYTHON_HOME "/bin/python3");
  const PyStatus status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  require(!PyStatus_Exception(status), "no Python");
}

// Runs code of which the lab needs that it succeeds.
inline void run(const char* code) {
  require(PyRun_SimpleString(code) == 0, "its Python code failed");
}

// What idles by design: a server that waits for its next client. Ends at KeyboardInterrupt, without finalization: that
// would wait for what else the lab has running.
[[noreturn]] inline void serve() {
  PyRun_SimpleString(
      "import os, socket\n"
      "server = socket.create_server(('127.0.0.1', 0))\n"
      "os.write(1, b'READY\\n')\n"
      "server.accept()\n");
  std::_Exit(1);
}

}  // namespace lab
