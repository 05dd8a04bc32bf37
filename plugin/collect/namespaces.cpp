#include "collect/namespaces.h"

#include <algorithm>

namespace hang::collect {

using facts::Snapshot;

namespace {

bool in_namespace(const Snapshot& snapshot) {
  return std::any_of(snapshot.threads.begin(), snapshot.threads.end(),
                     [](const auto& thread) { return thread.ns_tid != 0; });
}

std::int64_t child_here(const Snapshot& snapshot, std::int64_t pid) {
  for (const auto& child : snapshot.kernel.process.children)
    if (child.ns_pid == pid) return child.pid;
  return pid;
}

}  // namespace

std::uint64_t thread_here(const Snapshot& snapshot, std::uint64_t tid) {
  if (!in_namespace(snapshot)) return tid;
  const auto found = std::find_if(snapshot.threads.begin(), snapshot.threads.end(),
                                  [&](const auto& thread) { return thread.ns_tid == tid; });
  return found == snapshot.threads.end() ? 0 : found->tid;
}

void translate_threads(Snapshot& snapshot) {
  if (!snapshot.python || !in_namespace(snapshot)) return;
  auto& python = *snapshot.python;
  // A thread that has ended keeps its number: it is no thread of any namespace any more.
  const auto here = [&](std::uint64_t tid) {
    const auto known = thread_here(snapshot, tid);
    return known == 0 && snapshot.thread(tid) == nullptr ? tid : known;
  };
  python.main_tid = here(python.main_tid);
  for (auto& state : python.thread_states) state.tid = here(state.tid);
}

void translate_children(Snapshot& snapshot) {
  if (!snapshot.python || !in_namespace(snapshot)) return;
  const auto translate = [&](std::optional<std::int64_t>& pid) {
    if (pid) pid = child_here(snapshot, *pid);
  };
  for (auto& state : snapshot.python->thread_states) translate(state.child);
  for (auto* loops : {&snapshot.python->loops, &snapshot.python->other_loops})
    for (auto& loop : *loops)
      for (auto& task : loop.tasks) {
        translate(task.child);
        translate(task.parked.pid);
      }
}

}  // namespace hang::collect
