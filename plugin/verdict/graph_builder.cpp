#include "verdict/graph_builder.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "facts/names.h"
#include "verdict/loop_wait.h"
#include "verdict/wait_graph.h"

namespace hang::verdict {
namespace {

using facts::WaitKind;

class Builder {
 public:
  Builder(const Process& process, const WaitGraph& waits) : process_(process), waits_(waits) {}

  Graph build() {
    for (auto tid : process_.python_tids()) add_thread(tid);
    // Native threads matter where they hold what others wait for.
    for (const auto& lock : process_.facts().native_locks)
      if (lock.owner) add_thread(*lock.owner);
    for (const auto& loop : process_.python().loops) add_tasks(loop);
    return std::move(graph_);
  }

 private:
  std::size_t thread(std::uint64_t tid) {
    const auto [found, fresh] = threads_.try_emplace(tid, 0);
    if (fresh) found->second = graph_.add(NodeKind::thread, std::to_string(tid), node_label(process_, tid));
    return found->second;
  }
  void add_thread(std::uint64_t tid);
  void add_wait(std::uint64_t tid, const WaitsFor& on, bool alone);
  void add_futex(std::uint64_t tid, const WaitsFor& on, bool alone);
  void add_gil(std::size_t waiter, const WaitsFor& on);
  void add_native_lock(std::size_t waiter, const facts::NativeLockFacts& lock, const WaitsFor& on, bool alone);
  void add_lock(std::size_t waiter, const facts::LockFacts& lock, const WaitsFor& on, bool alone);
  void add_awaited(std::size_t waiter, const std::vector<const facts::AwaitedFacts*>& all, const WaitsFor& on,
                   bool alone);
  void add_joins(std::size_t node, const std::vector<std::uint64_t>& joined, const std::string& evidence);
  void add_fd(std::size_t waiter, const WaitsFor& on, bool alone);
  void add_tasks(const facts::LoopFacts& loop);
  bool add_parked(const facts::LoopFacts& loop, const facts::TaskFacts& task);
  void add_references(const facts::LoopFacts& loop, const facts::ParkedFacts& parked, std::size_t node);
  std::size_t task_node(const facts::TaskFacts& task);

  const Process& process_;
  const WaitGraph& waits_;
  Graph graph_;
  std::map<std::uint64_t, std::size_t> threads_;  // tid: node
};

void Builder::add_thread(std::uint64_t tid) {
  thread(tid);
  const auto& waiting = waits_.waiting(tid);
  for (const auto& on : waiting.on) add_wait(tid, on, waiting.on.size() == 1);
}

void Builder::add_wait(std::uint64_t tid, const WaitsFor& on, bool alone) {
  const auto from = thread(tid);
  const auto* facts = process_.thread(tid);
  if (on.gil >= 0) return add_gil(from, on);
  if (on.fd >= 0) return add_fd(from, on, alone);
  if (facts != nullptr && facts->wait.kind == WaitKind::futex && on.waker != Waker::timer)
    return add_futex(tid, on, alone);
  if (on.waker == Waker::running) {
    std::string label = "running";
    if (facts != nullptr && facts->cpu_ns)
      label += fmt::format(", {} CPU", duration(static_cast<double>(*facts->cpu_ns) / 1e6));
    graph_.connect({from, graph_.add(NodeKind::running, std::to_string(tid), label), "", on.evidence, true, alone});
    return;
  }
  const auto kind = on.waker == Waker::timer       ? NodeKind::timer
                    : on.end == End::other_process ? NodeKind::process
                    : on.waker == Waker::signal    ? NodeKind::outside
                                                   : NodeKind::unknown;
  graph_.connect(
      {from, graph_.add(kind, std::to_string(tid) + on.what, on.what), "waits for", on.evidence, on.seen, alone});
}

void Builder::add_gil(std::size_t waiter, const WaitsFor& on) {
  const auto gil = graph_.add(NodeKind::gil, std::to_string(on.gil), on.what);
  graph_.connect({waiter, gil, "waits for", on.evidence, true, true});
  const auto& grip = waits_.grips()[on.gil];
  if (grip.holder == nullptr) return;
  // One that changes hands is no obstacle.
  const bool kept = grip.grip != Grip::passing;
  const auto holder = thread(grip.holder->tid);
  graph_.connect({gil, holder, "held by", "gil.locked=1, gil.last_holder", true, kept});
}

void Builder::add_futex(std::uint64_t tid, const WaitsFor& on, bool alone) {
  const auto from = thread(tid);
  if (const auto* native = process_.native_lock_of(tid)) return add_native_lock(from, *native, on, alone);
  if (const auto* lock = process_.lock_of(tid)) return add_lock(from, *lock, on, alone);
  if (const auto* closed = process_.closes(tid)) {
    const auto node = graph_.add(NodeKind::interpreter, std::to_string(closed->id), on.what);
    graph_.connect({from, node, "waits for", on.evidence, true, alone});
    return add_joins(node, process_.joined_at_end(closed->id, tid), "not a daemon, in that interpreter");
  }
  if (tid == process_.main_tid() && process_.main_exits()) {
    const auto node = graph_.add(NodeKind::interpreter, "0", on.what);
    graph_.connect({from, node, "waits for", on.evidence, true, alone});
    return add_joins(node, process_.joined_at_end(process_.main_interpreter()->id, tid), "not a daemon");
  }
  if (const auto joined = process_.joins(tid); joined != 0) {
    graph_.connect({from, thread(joined), "waits for the end of", on.evidence + ", Thread.join", true, alone});
    return;
  }
  if (const auto& awaited = process_.awaited(tid); !awaited.empty()) return add_awaited(from, awaited, on, alone);
  const auto node = graph_.add(NodeKind::lock, std::to_string(tid), on.what);
  graph_.connect({from, node, "waits for", on.evidence, on.seen, alone});
}

// A future or an event, and who makes it: the thread that runs the job, the loop or the pool in whose queue it stands.
void Builder::add_awaited(std::size_t waiter, const std::vector<const facts::AwaitedFacts*>& all, const WaitsFor& on,
                          bool alone) {
  const bool needs_all = alone && (all.size() == 1 || !all.front()->any);
  for (const auto* awaited : all) {
    const auto node = graph_.add(NodeKind::primitive,
                                 awaited->object != 0 ? RemoteAddr(awaited->object).hex() : std::to_string(waiter),
                                 awaited_label(*awaited));
    graph_.connect({waiter, node, "waits for", on.evidence, true, needs_all});
    if (awaited->by == facts::Provider::thread)
      if (const auto* state = process_.facts().thread_state(awaited->provider))
        graph_.connect({node, thread(state->tid), awaited->seen ? "made by" : "could be made by",
                        awaited->seen ? "it runs that job" : "refers to it, and its code names the call", awaited->seen,
                        !awaited->any});
    if (awaited->by == facts::Provider::loop)
      for (const auto& loop : process_.python().loops)
        if (loop.object == awaited->provider)
          graph_.connect({node, thread(loop.tid), "queued for the loop of",
                          fmt::format("{} ready in that loop's queue", loop.ready.value_or(0)), awaited->seen, true});
    if (awaited->by != facts::Provider::pool) continue;
    std::vector<std::uint64_t> workers;
    for (const auto& state : process_.python().thread_states)
      if (state.pool == awaited->provider && state.tid != 0) workers.push_back(state.tid);
    for (const auto tid : workers)
      graph_.connect(
          {node, thread(tid), "queued for", "a job in the work queue of its pool", true, workers.size() == 1});
  }
}

void Builder::add_native_lock(std::size_t waiter, const facts::NativeLockFacts& lock, const WaitsFor& on, bool alone) {
  const auto node = graph_.add(NodeKind::native_lock, RemoteAddr(lock.futex).hex(), on.what);
  graph_.connect({waiter, node, "waits for", on.evidence, true, alone});
  if (!lock.owner) return;
  const char* verb = lock.kind == facts::kEndOfThread ? "is that of"
                     : lock.recorded                  ? "owned by"
                                                      : "being initialized by";
  graph_.connect({node, thread(*lock.owner), verb, lock.evidence, lock.recorded, true});
}

void Builder::add_lock(std::size_t waiter, const facts::LockFacts& lock, const WaitsFor& on, bool alone) {
  const auto node = graph_.add(NodeKind::lock, RemoteAddr(lock.object).hex(), on.what);
  graph_.connect({waiter, node, "waits for", on.evidence, true, alone});
  for (const auto& holder : lock.held_by) {
    const auto* state = process_.facts().thread_state(holder.tstate);
    if (state == nullptr || holder.frame >= state->frames.size()) continue;
    graph_.connect({node, thread(state->tid), "held by",
                    fmt::format("inside `with` in {}", frame_label(state->frames[holder.frame])), true, true});
  }
}

void Builder::add_joins(std::size_t node, const std::vector<std::uint64_t>& joined, const std::string& evidence) {
  // All of them must end; any that cannot keeps the waiter.
  for (auto tid : joined) graph_.connect({node, thread(tid), "needs the end of", evidence, true, true});
}

void Builder::add_fd(std::size_t waiter, const WaitsFor& on, bool alone) {
  const auto node = graph_.add(NodeKind::fd, std::to_string(on.fd), on.what);
  graph_.connect({waiter, node, "waits for", on.evidence, on.seen, alone});
  const auto end = other_end(process_, on.fd);
  for (const auto& holder : end.holders)
    graph_.connect({node,
                    graph_.add(NodeKind::process, std::to_string(holder.pid),
                               fmt::format("process {} ({})", holder.pid, holder.comm)),
                    "other end held by", fmt::format("its fd {}", holder.fd), true, false});
  for (const int ours : end.our_fds)
    graph_.connect({node, graph_.add(NodeKind::fd, std::to_string(ours), fmt::format("fd {} of this process", ours)),
                    "other end is", "peer inode", true, false});
  if (end.end == End::gone)
    graph_.connect(
        {node, graph_.add(NodeKind::nobody, "nobody", "nobody"), "other end held by", "no holder", true, alone});
}

std::size_t Builder::task_node(const facts::TaskFacts& task) {
  const auto* frame = user_frame(task.frames);
  return graph_.add(NodeKind::task, RemoteAddr(task.object).hex(),
                    fmt::format("task {}{}", task.name, frame ? " · " + frame_label(*frame) : ""));
}

void Builder::add_tasks(const facts::LoopFacts& loop) {
  constexpr std::size_t kMostTasks = 50;  // of those of which no more is known than that they are there
  const auto node = graph_.add(NodeKind::loop, std::to_string(loop.tid),
                               fmt::format("the {} loop of {}", name_of(loop.kind), process_.thread_label(loop.tid)));
  graph_.connect({node, thread(loop.tid), "run by", loop.run_function, true, false});
  std::size_t shown = 0;
  for (const auto& task : loop.tasks) {
    if (task.system || user_frame(task.frames) == nullptr) continue;
    if (add_parked(loop, task)) continue;
    if (++shown > kMostTasks) continue;
    graph_.connect({task_node(task), node, "parked in",
                    task.waits_on.empty() ? std::string() : fmt::format("awaits {}", task.waits_on), true, false});
  }
}

// What the task is parked on and who of its loop could end that; false if that is not known.
bool Builder::add_parked(const facts::LoopFacts& loop, const facts::TaskFacts& task) {
  using facts::ParkedOn;
  const auto& parked = task.parked;
  if (parked.on == ParkedOn::tasks) {
    const bool alone = parked.any != true || parked.tasks.size() == 1;
    bool found = false;
    for (const auto object : parked.tasks)
      if (const auto* other = find_task(loop, object)) {
        graph_.connect({task_node(task), task_node(*other), "waits for the end of", task.waits_on, true, alone});
        found = true;
      }
    return found;
  }
  if (parked.object == 0) return false;
  const auto node = graph_.add(NodeKind::primitive, RemoteAddr(parked.object).hex() + std::string(name_of(parked.on)),
                               parked_words(loop, task));
  graph_.connect({task_node(task), node, "waits for",
                  fmt::format("{} at {}", parked.type, RemoteAddr(parked.object).hex()), true, true});
  for (const auto object : parked.tasks)
    if (const auto* owner = find_task(loop, object))
      graph_.connect({node, task_node(*owner), "held by",
                      loop.kind == facts::LoopKind::trio ? "Lock._owner" : "inside `async with` on it", true, true});
  add_references(loop, parked, node);
  return true;
}

// A primitive that only one task could act on depends on that one.
void Builder::add_references(const facts::LoopFacts& loop, const facts::ParkedFacts& parked, std::size_t node) {
  std::vector<const facts::TaskFacts*> able;
  for (const auto object : parked.could_end)
    if (const auto* other = find_task(loop, object)) able.push_back(other);
  const bool outside = able.size() < parked.could_end.size();
  for (const auto* other : able)
    graph_.connect({node, task_node(*other), "could be ended by", "refers to it, and its code names the call", false,
                    able.size() == 1 && !outside && parked.searched == true});
  if (able.empty() && !outside && parked.searched == true && parked.tasks.empty())
    graph_.connect({node, graph_.add(NodeKind::nobody, "nobody", "nobody"), "could be ended by",
                    "no other task of the loop leads to it and names the call", false, true});
}

}  // namespace

std::string node_label(const Process& process, std::uint64_t tid) {
  const auto* state = process.current_state(tid);
  std::string label = process.thread_label(tid);
  if (state == nullptr) return label;
  const auto* frame = user_frame(state->frames);
  return fmt::format("{} (interpreter {}){}", label, state->interpreter, frame ? " · " + frame_label(*frame) : "");
}

Graph build_graph(const Process& process, const WaitGraph& waits) {
  return Builder(process, waits).build();
}

}  // namespace hang::verdict
