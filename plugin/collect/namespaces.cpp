#include "collect/namespaces.h"

#include <algorithm>
#include <map>
#include <set>

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

// PyThreadState.thread_id is pthread_self(), which is the thread's fs_base (glibc, THREAD_SELF of
// sysdeps/x86_64/nptl/tls.h; musl too); native_thread_id is the number that the thread has in its own namespace.
void number_threads(Target& target, Snapshot& snapshot) {
  auto threads = target.threads();
  if (!threads || !snapshot.python) return;
  std::map<std::uint64_t, std::uint64_t> thread_at;
  for (const auto& thread : *threads)
    if (thread.thread_pointer) thread_at.emplace(*thread.thread_pointer, thread.tid);
  std::map<std::uint64_t, std::set<std::uint64_t>> names;  // that thread states have for each thread
  for (const auto& state : snapshot.python->thread_states)
    if (const auto found = thread_at.find(state.thread_id); found != thread_at.end() && state.tid != 0)
      names[found->second].insert(state.tid);
  // A state that outlived its thread may have what another thread has now. One that is right somewhere proves that
  // there is no namespace.
  const auto right = [](const auto& name) { return name.second.count(name.first) != 0; };
  if (std::any_of(names.begin(), names.end(), right)) return;
  for (auto& thread : snapshot.threads)
    if (const auto found = names.find(thread.tid);
        thread.ns_tid == 0 && found != names.end() && found->second.size() == 1)
      thread.ns_tid = *found->second.begin();
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
