// A C++ program that embeds CPython and runs a script: `embed SCRIPT`.
#include <Python.h>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  PyConfig_SetBytesString(&config, &config.home, HANG_PYTHON_HOME);
  PyConfig_SetBytesString(&config, &config.program_name, HANG_PYTHON_HOME "/bin/python3");
  const PyStatus status = Py_InitializeFromConfig(&config);
  PyConfig_Clear(&config);
  if (PyStatus_Exception(status)) {
    std::fprintf(stderr, "%s\n", status.err_msg);
    return 3;
  }
  std::FILE* script = std::fopen(argv[1], "r");
  if (script == nullptr) return 4;
  const int result = PyRun_SimpleFileEx(script, argv[1], 1);
  return Py_FinalizeEx() < 0 ? 5 : result;
}
