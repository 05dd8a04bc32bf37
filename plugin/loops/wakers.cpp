// Who else could still call into a loop? A bounded search from the frames of the other threads for the loop object, its
// wakeup socket, or the other end of a descriptor that it watches.
#include <algorithm>
#include <deque>
#include <unordered_set>

#include "cpython/coroutine.h"
#include "cpython/readers.h"
#include "loops/frameworks.h"

namespace hang::loops {

using cpython::Python;
using facts::LoopFacts;

namespace {

constexpr std::size_t kMaxObjects = 4000;  // looked at for one thread
constexpr int kMaxDepth = 7;

// What a thread must be able to reach to wake the loop.
struct Goal {
  std::unordered_set<std::uint64_t> objects;  // the loop, its runner, its tasks
  std::unordered_set<int> fds;                // writing here makes a watched descriptor ready
};

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

class Search {
 public:
  Search(Python& python, const Goal& goal) : python_(python), objects_(python.objects()), goal_(goal) {}

  // What these frames hold is where the search begins.
  void begin_at(const std::vector<facts::FrameFacts>& frames, int depth = 0) {
    for (const auto& frame : frames) {
      const RemoteAddr address(frame.address);
      if (auto locals = python_.locals(address))
        for (const auto& local : *locals) push(local.value, depth);
      push_globals(address, depth);
    }
  }

  // True if the goal is reachable.
  bool run() {
    while (!queue_.empty() && !found_) {
      const auto [object, depth] = queue_.front();
      queue_.pop_front();
      expand(object, depth);
    }
    return found_;
  }

  [[nodiscard]] bool complete() const { return complete_; }

 private:
  void push(RemoteAddr object, int depth) {
    if (!object || found_) return;
    if (goal_.objects.contains(object.raw())) {
      found_ = true;
      return;
    }
    if (!seen_.insert(object.raw()).second) return;
    if (seen_.size() > kMaxObjects || depth > kMaxDepth) {
      complete_ = false;
      return;
    }
    queue_.emplace_back(object, depth);
  }

  // The module variables that a frame's code names (co_names), not all of its module.
  void push_globals(RemoteAddr frame, int depth) {
    auto& reader = python_.reader();
    auto code = cpython::code_of_frame(reader, frame);
    auto globals = reader.pointer("_PyInterpreterFrame", "f_globals", frame);
    if (code && globals) push_names(*code, *globals, depth);
  }

  void push_names(RemoteAddr code, RemoteAddr globals, int depth) {
    auto names_at = python_.reader().pointer("PyCodeObject", "co_names", code);
    if (!names_at) return;
    auto names = objects_.items(*names_at);
    if (!names) return;
    for (auto name : *names) {
      auto text = objects_.str(name);
      if (!text) continue;
      if (auto value = objects_.dict_get(globals, *text)) push(*value, depth);
    }
  }

  void push_items(RemoteAddr object, int depth) {
    if (auto items = objects_.items(object))
      for (auto item : *items) push(item, depth);
  }

  void push_dict(RemoteAddr dict, int depth) {
    (void)objects_
        .dict_each(dict,
                   [&](RemoteAddr, RemoteAddr value) {
                     push(value, depth);
                     return !found_;
                   })
        .ok();
  }

  void expand(RemoteAddr object, int depth);
  void expand_function(RemoteAddr function, int depth);
  void expand_instance(RemoteAddr object, int depth);

  Python& python_;
  cpython::Objects objects_;
  const Goal& goal_;
  std::deque<std::pair<RemoteAddr, int>> queue_;
  std::unordered_set<std::uint64_t> seen_;
  bool found_ = false, complete_ = true;
};

void Search::expand_function(RemoteAddr function, int depth) {
  auto& reader = python_.reader();
  auto code = reader.pointer("PyFunctionObject", "func_code", function);
  auto globals = reader.pointer("PyFunctionObject", "func_globals", function);
  if (code && globals && *globals) push_names(*code, *globals, depth + 1);
  if (auto closure = reader.pointer("PyFunctionObject", "func_closure", function); closure && *closure)
    push_items(*closure, depth + 1);
}

// Attributes of an instance: its dictionary or inline values, by name where there is no other way.
void Search::expand_instance(RemoteAddr object, int depth) {
  if (auto fd = objects_.file_descriptor(object); fd && goal_.fds.contains(*fd)) {
    found_ = true;
    return;
  }
  if (auto each = objects_.attributes(object))
    for (auto value : *each) push(value, depth + 1);
}

void Search::expand(RemoteAddr object, int depth) {
  auto& reader = python_.reader();
  auto type = objects_.type_name(object);
  if (!type) return;
  static const std::unordered_set<std::string> leaves{"str",  "int",    "float", "bytes",    "bool",   "NoneType",
                                                      "type", "module", "code",  "ellipsis", "complex"};
  if (leaves.contains(*type)) return;
  if (*type == "list" || *type == "tuple" || *type == "set" || *type == "frozenset" || *type == "collections.deque")
    return push_items(object, depth + 1);
  if (*type == "dict") return push_dict(object, depth + 1);
  if (*type == "function") return expand_function(object, depth);
  if (*type == "cell") {
    if (auto value = reader.pointer("PyCellObject", "ob_ref", object)) push(*value, depth + 1);
    return;
  }
  if (*type == "method") {
    for (const char* member : {"im_func", "im_self"})
      if (auto value = reader.pointer("PyMethodObject", member, object)) push(*value, depth + 1);
    return;
  }
  if (*type == "builtin_function_or_method") {
    if (auto self = reader.pointer("PyCFunctionObject", "m_self", object)) push(*self, depth + 1);
    return;
  }
  if (*type == "functools.partial") {
    for (std::uint64_t offset : {16u, 24u})  // fn, args
      if (auto value = reader.pointer_at(object.field(offset))) push(*value, depth + 1);
    return;
  }
  if (*type == "coroutine" || *type == "generator" || *type == "async_generator") {
    if (auto suspended = cpython::read_suspended(python_, object)) begin_at(suspended->frames, depth + 1);
    return;
  }
  if (*type == "_asyncio.Task" || *type == "_asyncio.Future") {
    // FutureObj_HEAD begins both (Modules/_asynciomodule.c): the loop comes first.
    if (auto value = reader.pointer("TaskObj", "task_loop", object)) push(*value, depth + 1);
    if (*type == "_asyncio.Task")
      if (auto value = reader.pointer("TaskObj", "task_coro", object)) push(*value, depth + 1);
    return;
  }
  expand_instance(object, depth);
}

}  // namespace

void search_wakers(Python& python, const facts::Snapshot& snapshot, const std::vector<LoopFacts>& all,
                   LoopFacts& loop) {
  const Goal goal = goal_of(snapshot, loop);
  loop.wakers_searched = true;
  for (const auto& state : snapshot.python->thread_states) {
    if (state.tid == loop.tid || state.tid == 0 || state.frames.empty()) continue;
    Search search(python, goal);
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
