// Parked: what a task of a loop waits for, resolved to the object that it waits on and that object's own state.
#pragma once

#include <vector>

#include "cpython/python.h"
#include "facts/facts.h"

namespace hang::loops {

// Fills task.parked from the task's frames (read_coroutine before) and, for asyncio, the future that it waits for.
// What cannot be read stays absent.
void read_parked(cpython::Python& python, RemoteAddr future, facts::TaskFacts& task);

// Drops from very long lists of awaited tasks those that were only counted (TaskSelection).
void keep_read_tasks(facts::LoopFacts& loop);

// Fills parked.could_end of the loop's tasks: which other tasks lead to what each is parked on, and have code that
// would act on it; and the owners of asyncio's locks. Needs all tasks of the loop.
void search_references(cpython::Python& python, facts::LoopFacts& loop);

}  // namespace hang::loops
