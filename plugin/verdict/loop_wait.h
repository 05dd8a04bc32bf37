// LoopWait: a loop that sleeps in its own selector, and everything that could still wake it. The common ground of L1
// (nothing can) and N3 (something can, and here it is).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "verdict/process.h"
#include "verdict/wait_graph.h"

namespace hang::verdict {

// One possible waker, with its proof.
struct PossibleWaker {
  Waker kind = Waker::unknown;
  std::string words;  // "fd 7: tcp listening on 127.0.0.1:80"
  End end = End::unknown;
};

struct LoopWait {
  const facts::LoopFacts* loop = nullptr;
  bool endless = false;                  // its timeout is -1 or the framework's "nothing scheduled" cap
  std::vector<PossibleWaker> wakers;     // from outside its own thread's tasks
  std::vector<WaitsFor> orphans;         // registered descriptors that nothing outside this process can make ready
  std::vector<std::uint64_t> strangers;  // live threads that nothing was seen to connect with the loop
  std::vector<std::uint64_t> workers;    // pool workers that run a job: the loop may wait for their result
  std::vector<std::uint64_t> unread;     // threads whose Python frames were not all read
  std::optional<std::string> missing;    // a fact without which this cannot be decided
  bool wants_forever = false;            // a task sleeps for ever on purpose (trio.sleep_forever)
  bool no_tasks = false;                 // run_forever without a task: it waits for work from outside
};

// Nothing if the loop is not asleep in its selector.
std::optional<LoopWait> loop_wait(const Process& process, const WaitGraph& graph, const facts::LoopFacts& loop);

// asyncio: the loop, or its main thread under it, is inside loop.shutdown_default_executor(). On 3.11 a second stage
// joins the helper thread with the loop standing still.
bool closes_executor(const Process& process, const facts::LoopFacts& loop);

// Proof by exhaustion: no timer, no descriptor that anything outside can make ready, no thread that can act and leads
// here, and tasks that nobody made to wait for ever.
bool nothing_can_wake(const LoopWait& wait);
// A task waits for a signal by design: trio.open_signal_receiver().
bool waits_for_signal(const facts::LoopFacts& loop);
// The task of the loop with that address; null if there is none.
const facts::TaskFacts* find_task(const facts::LoopFacts& loop, std::uint64_t object);
// The task that the loop's sleep is about: the one that the run function waits for or, where that waits for other
// tasks or for a lock that one of them owns, the one at the end of that chain. Null if there is none.
const facts::TaskFacts* parked_task(const facts::LoopFacts& loop);
// "an item of the queue at 0x7f..: it is empty"; "" if it is not known.
std::string parked_words(const facts::LoopFacts& loop, const facts::TaskFacts& task);
// "task Task-1, parked at worker, app.py:12"; "" if there is none.
std::string task_label(const facts::LoopFacts& loop);
const facts::FrameFacts* parked_frame(const facts::LoopFacts& loop);

}  // namespace hang::verdict
