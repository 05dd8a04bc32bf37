// Where CPython 3.11 keeps its signal state: file-static variables of Modules/signalmodule.c, which have no exported
// name. With a .symtab they are found by name; in a stripped build by the code of exported functions that use them.
#pragma once

#include <string>

#include "cpython/runtime.h"

namespace hang::cpython {

// Addresses of the statics of Modules/signalmodule.c (CPython 3.11).
struct SignalStatics {
  RemoteAddr wakeup;      // static volatile struct { sig_atomic_t fd; int warn_on_full_buffer; } wakeup
  RemoteAddr is_tripped;  // static volatile int is_tripped
  RemoteAddr handlers;    // static volatile struct { _Py_atomic_int tripped; PyObject *func; } Handlers[Py_NSIG]
  std::string how;        // "symbol table" or "code of PyErr_SetInterruptEx and _PyErr_CheckSignalsTstate"
};

// By symbol table, else by code; each checked against what such variables can hold. Errors: `no_symbols` with the name
// of what could not be found, or those of the target.
Result<SignalStatics> find_signal_statics(Target& target, const Runtime& runtime);

// The two ways, for tests that hold them against each other.
Result<SignalStatics> signal_statics_by_symbols(Target& target, const Runtime& runtime);
Result<SignalStatics> signal_statics_by_code(Target& target, const Runtime& runtime);

}  // namespace hang::cpython
