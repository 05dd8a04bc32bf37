// Coroutine: the frames of a suspended coroutine or generator and of all that it awaits.
#pragma once

#include <string>
#include <vector>

#include "cpython/python.h"
#include "facts/facts.h"

namespace hang::cpython {

struct Suspended {
  std::vector<facts::FrameFacts> frames;  // innermost first
  RemoteAddr awaits;                      // what the innermost await waits for, if it is no coroutine; NULL if unknown
  std::vector<std::string> handling;      // types of the exceptions that these coroutines handle now, innermost first
};

// Follows `await` and `yield from` from `coroutine` inwards, bounded. A coroutine that runs now or has ended adds no
// frame. Errors: `inconsistent` if the object is no coroutine, generator or asynchronous generator.
Result<Suspended> read_suspended(Python& python, RemoteAddr coroutine);

// The object a weakref.ref points to; `absent_field` if it is dead.
Result<RemoteAddr> referent(Python& python, RemoteAddr weakref);

}  // namespace hang::cpython
