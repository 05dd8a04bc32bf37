// Who else could still call into a loop? A bounded search from the frames of the other threads for the loop object, its
// wakeup socket, or the other end of a descriptor that it watches.
#include <algorithm>

#include "loops/frameworks.h"
#include "loops/reference_search.h"

namespace hang::loops {

using cpython::Python;
using facts::LoopFacts;

namespace {

Goal goal_of(const facts::Snapshot& snapshot, const LoopFacts& loop) {
  Goal goal;
  goal.objects.insert(loop.object);
  for (const auto& task : loop.tasks) goal.objects.insert(task.object);
  if (loop.wakeup_writer) goal.fds.insert(*loop.wakeup_writer);
  const auto* set = loop.epfd ? snapshot.fd(*loop.epfd) : nullptr;
  if (set == nullptr) return goal;
  for (const auto& watched : set->epoll) {
    const auto* fd = snapshot.fd(watched.fd);
    if (fd == nullptr) continue;
    goal.fds.insert(watched.fd);
    auto add = [&](const std::vector<facts::Holder>& holders) {
      for (const auto& holder : holders)
        if (holder.pid == snapshot.target.pid) goal.fds.insert(holder.fd);
    };
    if (fd->unix_socket) add(fd->unix_socket->peer_holders);
    if (fd->inet) add(fd->inet->peer_holders);
    if (fd->pipe) add(fd->pipe->writers);
  }
  return goal;
}

}  // namespace

void search_wakers(Python& python, const facts::Snapshot& snapshot, const std::vector<LoopFacts>& all,
                   LoopFacts& loop) {
  const Goal goal = goal_of(snapshot, loop);
  loop.wakers_searched = true;
  for (const auto& state : snapshot.python->thread_states) {
    if (state.tid == loop.tid || state.tid == 0 || state.frames.empty()) continue;
    ReferenceSearch search(python, goal);
    search.begin_at(state.frames);
    // The tasks of a loop are on no thread's stack while they are suspended.
    for (const auto& other : all)
      if (other.tstate == state.address)
        for (const auto& task : other.tasks) search.begin_at(task.frames);
    if (search.run()) {
      loop.wakers.push_back(state.tid);
    } else if (!search.complete()) {
      // Not found within the budget is no proof: such a thread counts as one that can.
      loop.wakers.push_back(state.tid);
    }
  }
  std::sort(loop.wakers.begin(), loop.wakers.end());
  loop.wakers.erase(std::unique(loop.wakers.begin(), loop.wakers.end()), loop.wakers.end());
}

}  // namespace hang::loops
