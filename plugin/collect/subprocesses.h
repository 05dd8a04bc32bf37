// Which child a frame waits for, by Python's own objects.
#pragma once

#include "cpython/python.h"
#include "facts/facts.h"

namespace hang::collect {

// Fills `child` of thread states and tasks, `only_sleeps` of threads beside the main one, and PythonFacts::exit_joins.
void read_subprocesses(cpython::Python& python, facts::Snapshot& snapshot);

}  // namespace hang::collect
