// WaitGraph: what every thread waits for, and whether that can ever come. One graph, used by every shape.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "verdict/gil_grip.h"
#include "verdict/graph.h"
#include "verdict/other_end.h"
#include "verdict/process.h"

namespace hang::verdict {

// What could end a wait, the strongest first. `none`: nothing outside the threads of this process.
enum class Waker { running, timer, outside, unknown, signal, none };

// One thing that a thread waits for, for the report; the graph has it as edges.
struct WaitsFor {
  std::string what;      // "GIL 0 (shared with interpreter 1)", "fd 7", "a lock", "nothing: it runs"
  std::string evidence;  // "futex 0x7f.. inside gil->cond"
  Waker waker = Waker::unknown;
  int gil = -1;  // of a GIL
  int fd = -1;   // of a descriptor; -1 = of none
  End end = End::unknown;
  bool seen = true;  // false: inferred
};

// A thread and all that it waits for at once (any of them wakes it).
struct Waiting {
  std::uint64_t tid = 0;
  std::vector<WaitsFor> on;
  Waker waker = Waker::unknown;       // the strongest of them
  std::optional<double> wakes_in_ms;  // waker timer: when
  bool pool_idle = false;             // a pool worker without work: it acts only when given some
};

class WaitGraph {
 public:
  WaitGraph(const Process& process, std::vector<GilGrip> grips);

  [[nodiscard]] const std::vector<GilGrip>& grips() const { return grips_; }
  // The main thread gets the GIL if it wants it, or has it: what sleeps is asleep, not starved. False where one sample
  // shows another thread with the GIL, because that cannot be told from a hog.
  [[nodiscard]] bool main_gets_gil() const;
  // Every thread that has a thread state, plus native threads that are there.
  [[nodiscard]] const Waiting& waiting(std::uint64_t tid) const;
  // Threads other than `tid` that have a thread state and could act by themselves: running, a timer, the outside.
  [[nodiscard]] std::vector<std::uint64_t> alive_besides(std::uint64_t tid) const;
  // The same as nodes and edges: every thread that Python knows, what it waits for, who holds that, and so on.
  [[nodiscard]] const Graph& graph() const { return graph_; }
  [[nodiscard]] std::optional<std::size_t> node_of(std::uint64_t tid) const;
  // The node of a task of a loop.
  [[nodiscard]] std::optional<std::size_t> node_of_task(std::uint64_t object) const;
  // The walk from `tid` to all that its wait depends on, for the report.
  [[nodiscard]] std::vector<PathEdge> path(std::uint64_t tid) const;
  [[nodiscard]] PathEdge path_edge(std::size_t edge) const;
  // The same from a task.
  [[nodiscard]] std::vector<PathEdge> task_path(std::uint64_t object) const;
  // The deadlock that `tid` is part of or waits for: the edges of a cycle that nothing can open; empty if there is
  // none.
  [[nodiscard]] std::vector<std::size_t> deadlock_of(std::uint64_t tid) const;

 private:
  [[nodiscard]] std::string gil_evidence(const facts::ThreadFacts& thread, int index) const;
  [[nodiscard]] Waiting resolve(std::uint64_t tid) const;
  [[nodiscard]] WaitsFor resolve_futex(std::uint64_t tid, const facts::Wait& wait) const;
  [[nodiscard]] WaitsFor resolve_fd(int fd, bool for_reading, const std::string& how) const;
  void resolve_many(const facts::Wait& wait, Waiting& waiting) const;

  const Process* process_;
  std::vector<GilGrip> grips_;
  std::map<std::uint64_t, Waiting> threads_;
  Waiting missing_;
  Graph graph_;
};

// "thread 12 \"name\"" of a native thread, with interpreter and line of a Python one.
std::string node_label(const Process& process, std::uint64_t tid);

// trio and asyncio cap an endless wait at a day; a timeout of this or more means "nothing scheduled"
// (trio/_core/_run.py `_MAX_TIMEOUT`, asyncio/base_events.py `MAXIMUM_SELECT_TIMEOUT`).
inline constexpr std::int64_t kNothingScheduledMs = 24LL * 3600 * 1000;
bool is_endless(const facts::Wait& wait);
// It wakes by itself within a second, and then does what it can do only awake.
bool wakes_soon(const Waiting& waiting);
// It is in a call that does not wait: a loop's poll with a timeout of 0, a read of its own wakeup pair.
bool is_turning(const Waiting& waiting);
// It has a date, and one that somebody may wait for. time.sleep(1_000_000) is a way to say never.
bool has_near_date(const Waiting& waiting);

// Frames of an idle pool worker (concurrent.futures, the threads of trio and anyio, multiprocessing.pool).
bool is_idle_pool_worker(const facts::ThreadStateFacts& state);
// Frames of a pool worker that runs a job for a loop.
bool is_busy_pool_worker(const facts::ThreadStateFacts& state);

std::string gil_label(const Process& process, int gil);

}  // namespace hang::verdict
