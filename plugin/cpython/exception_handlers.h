// What becomes of a KeyboardInterrupt that is raised where a thread waits. The exception tables of its frames say which
// code takes it, and that code is followed without being run: to the wait again, or out of the program.
#pragma once

#include <optional>

#include "cpython/readers.h"

namespace hang::cpython {

// Nothing if no handler of the thread's frames was seen to take it and wait again; that includes code that could not be
// read. `interpreter` is the PyInterpreterState of the thread state.
std::optional<facts::CaughtInterrupt> find_caught_interrupt(Reader& reader, const facts::ThreadStateFacts& state,
                                                            RemoteAddr interpreter);

}  // namespace hang::cpython
