// Loops: the event loops that threads run, read from their frames and from the loop objects' attributes.
#pragma once

#include "cpython/python.h"
#include "facts/facts.h"

namespace hang::loops {

// Fills snapshot.python->loops from the thread states' frames; needs Python::read and the fd table before it. Never
// fails: what an object does not tell stays absent, and a loop whose object cannot be read is a gap.
void read_loops(cpython::Python& python, facts::Snapshot& snapshot);

// Fills snapshot.python->channels: those that the frames of threads and tasks lead to, within a budget for each. Needs
// the loops. Takes milliseconds for each task, so it is done where somebody asks for it.
void read_channels(cpython::Python& python, facts::Snapshot& snapshot);

}  // namespace hang::loops
