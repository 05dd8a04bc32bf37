// GilGrip: how firmly a GIL is held, by whom, and who needs it. The common ground of S1, G3, N2 and of step 5.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "verdict/process.h"

namespace hang::verdict {

enum class Grip {
  unknown,  // not read
  free,     // nobody holds it
  passing,  // held, and seen to change hands or to be given when asked
  held,     // held by somebody who was not seen to misbehave; one sample, or nobody waits and Python code moves
  hogged,   // held and not given back
};

struct GilGrip {
  int gil = -1;
  Grip grip = Grip::unknown;
  Confidence confidence = Confidence::possible;     // of `hogged`
  const facts::ThreadStateFacts* holder = nullptr;  // thread state that holds it
  std::vector<std::uint64_t> waiters;               // OS threads seen waiting for it
  bool native = false;                              // the holder is inside one C call, as far as was seen
  bool doubtful = false;        // its innermost frame did not move, and nothing tells a C call from a tight loop
  int in_bytecode = 0;          // samples of its program counter in the loop that runs bytecode
  bool blocked = false;         // the holder sleeps in the kernel, GIL in hand
  bool on_native_lock = false;  // ... in a futex that is no GIL: a native lock (shape G1)
  bool deaf = false;            // the drop request is set where the holder does not look (3.11, 3.12)
  double watched_ms = 0;
  std::vector<std::string> because;  // one line of evidence each
};

// Grips of every GIL, in the order of python.gils.
std::vector<GilGrip> gil_grips(const Process& process);

}  // namespace hang::verdict
