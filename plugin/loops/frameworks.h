// The readers of each framework's loop object. Each recognises its loop by the frame that drives it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cpython/python.h"
#include "facts/facts.h"

namespace hang::loops {

// One thread state and the frame of it that drives a loop.
struct Driver {
  const facts::ThreadStateFacts& state;
  std::size_t frame;  // index into state.frames
};

// asyncio: BaseEventLoop.run_forever and _run_once (Lib/asyncio/base_events.py, 3.11 to 3.15).
std::optional<Driver> find_asyncio(const facts::ThreadStateFacts& state);
void read_asyncio(cpython::Python& python, const facts::Snapshot& snapshot, const Driver& driver,
                  facts::LoopFacts& loop);

// Loops of another make that asyncio's tasks belong to (facts::PythonFacts::other_loops). Needs the loops.
void read_other_loops(cpython::Python& python, facts::Snapshot& snapshot);

// trio: unrolled_run (trio/_core/_run.py, 0.22 to 0.34).
std::optional<Driver> find_trio(const facts::ThreadStateFacts& state);
void read_trio(cpython::Python& python, const Driver& driver, facts::LoopFacts& loop);

// Which other threads' frames, and tasks of the loops they run, lead to the loop (facts::LoopFacts::wakers). `all` are
// the loops of the process, `loop` one of them.
void search_wakers(cpython::Python& python, const facts::Snapshot& snapshot, const std::vector<facts::LoopFacts>& all,
                   facts::LoopFacts& loop);

// Threads that look at a queue or channel between interpreters again and again (facts::ThreadStateFacts::polling).
void read_polling(cpython::Python& python, facts::Snapshot& snapshot);

// anyio.cpp: the cancel scopes of anyio on asyncio that were cancelled.
void read_cancel_scopes(cpython::Python& python, facts::LoopFacts& loop);

// queued.cpp: the first of what stands in an asyncio loop's queue.
void read_queued(cpython::Python& python, facts::LoopFacts& loop);
// The callable that a Handle runs, and its arguments.
std::vector<RemoteAddr> parts_of_handle(cpython::Python& python, RemoteAddr handle);

// watched.cpp: what is in the loop's epoll set, by its selector's or io manager's own map (facts::LoopFacts::watched).
void read_watched_asyncio(cpython::Python& python, facts::LoopFacts& loop);
void read_watched_trio(cpython::Python& python, facts::LoopFacts& loop);

// awaited.cpp: what threads block on in Python, and who makes it (facts::PythonFacts::awaited). Needs the loops.
void read_awaited(cpython::Python& python, facts::Snapshot& snapshot);

// Helpers of the readers: absent stays absent.
std::optional<std::int64_t> length_of(cpython::Python& python, RemoteAddr object, const std::string& attribute);
std::optional<bool> flag_of(cpython::Python& python, RemoteAddr object, const std::string& attribute);
std::optional<int> fd_of(cpython::Python& python, RemoteAddr object, const std::string& dotted);
// The task's frames and what it waits for, from its coroutine.
void read_coroutine(cpython::Python& python, RemoteAddr coroutine, facts::TaskFacts& task);

}  // namespace hang::loops
