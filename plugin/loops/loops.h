// Loops: the event loops that threads run, read from their frames and from the loop objects' attributes.
#pragma once

#include "cpython/python.h"
#include "facts/facts.h"

namespace hang::loops {

// Fills snapshot.python->loops from the thread states' frames; needs Python::read and the fd table before it. Never
// fails: what an object does not tell stays absent, and a loop whose object cannot be read is a gap.
void read_loops(cpython::Python& python, facts::Snapshot& snapshot);

}  // namespace hang::loops
