// asyncio's selector event loop (Lib/asyncio/base_events.py, selector_events.py, unix_events.py; 3.11 to 3.15).
#include <algorithm>

#include "base/budget.h"
#include "cpython/coroutine.h"
#include "cpython/readers.h"
#include "loops/frameworks.h"
#include "loops/parked.h"
#include "loops/task_selection.h"

namespace hang::loops {

using cpython::Python;
using facts::LoopFacts;

std::optional<Driver> find_asyncio(const facts::ThreadStateFacts& state) {
  for (std::size_t i = 0; i < state.frames.size(); ++i) {
    const auto& frame = state.frames[i];
    if (frame.file.ends_with("asyncio/base_events.py") && frame.function.ends_with(".run_forever"))
      return Driver{state, i};
  }
  return std::nullopt;
}

namespace {

// Timers that have not been cancelled: a cancelled TimerHandle stays in the heap until it comes up.
std::optional<std::int64_t> live_timers(Python& python, RemoteAddr loop) {
  auto heap = python.objects().attribute(loop, "_scheduled");
  if (!heap) return std::nullopt;
  auto handles = python.objects().items(*heap);
  if (!handles) return std::nullopt;
  std::int64_t live = 0;
  for (auto handle : *handles)
    if (flag_of(python, handle, "_cancelled") != true) ++live;
  return live;
}

void read_wakeup(Python& python, RemoteAddr object, LoopFacts& loop) {
  loop.wakeup_reader = fd_of(python, object, "_ssock");
  loop.wakeup_writer = fd_of(python, object, "_csock");
  loop.epfd = fd_of(python, object, "_selector._selector");
  for (auto fd : {loop.wakeup_reader, loop.wakeup_writer, loop.epfd})
    if (fd) loop.own_fds.push_back(*fd);
}

void read_signal_handlers(Python& python, RemoteAddr object, LoopFacts& loop) {
  auto handlers = python.objects().attribute(object, "_signal_handlers");
  if (!handlers) return;
  (void)python.objects()
      .dict_each(*handlers,
                 [&](RemoteAddr key, RemoteAddr) {
                   if (auto number = python.objects().integer(key))
                     loop.signal_handlers.push_back(static_cast<int>(*number));
                   return loop.signal_handlers.size() < 64;
                 })
      .ok();
  std::sort(loop.signal_handlers.begin(), loop.signal_handlers.end());
}

constexpr std::size_t kMaxListedTasks = 1'000'000;  // of one list; a longer one is no list

// The tasks of a circular list with its head inside `owner` (Modules/_asynciomodule.c, register_task). An error if it
// is not closed, as when it changes while it is read.
Result<void> listed_tasks(cpython::Reader& reader, const char* owner_type, RemoteAddr owner,
                          std::vector<RemoteAddr>& tasks) {
  auto head = reader.address(owner_type, "asyncio_tasks_head", owner);
  auto node = reader.layout().field("TaskObj", "task_node");
  if (!head) return head.error();
  if (!node) return node.error();
  Budget budget("asyncio tasks", kMaxListedTasks);
  RemoteAddr previous = *head;
  for (auto at = reader.pointer("llist_node", "next", *head);; at = reader.pointer("llist_node", "next", *at)) {
    if (!at) return at.error();
    auto back = reader.pointer("llist_node", "prev", *at);
    if (!back) return back.error();
    if (*back != previous)
      return Error{ErrorKind::inconsistent, "the list of tasks does not hang together", *at, "llist_node.prev"};
    if (*at == *head) return {};
    if (auto step = budget.visit(*at); !step) return step.error();
    tasks.emplace_back(at->raw() - node->offset);
    previous = *at;
  }
}

// 3.14+ (gh-128002): C tasks are in a list of the thread that made them, or of the interpreter once that thread ended.
Result<void> listed_tasks(Python& python, const facts::Snapshot& snapshot, const facts::InterpreterFacts& interpreter,
                          std::vector<RemoteAddr>& tasks) {
  auto& reader = python.reader();
  if (!reader.has("_PyThreadStateImpl", "asyncio_tasks_head")) return {};
  for (const auto& state : snapshot.python->thread_states)
    if (state.interpreter == interpreter.id)
      if (auto done = listed_tasks(reader, "_PyThreadStateImpl", RemoteAddr(state.address), tasks); !done) return done;
  return listed_tasks(reader, "PyInterpreterState", RemoteAddr(interpreter.address), tasks);
}

// The set `_all_tasks` (3.11) or `_scheduled_tasks` (3.12+) of asyncio.tasks: a WeakSet, whose `data` is a set of
// weakrefs; and 3.12+ `_eager_tasks`, a plain set. 3.14+ has only Python tasks there.
std::optional<std::vector<RemoteAddr>> all_tasks(Python& python, const facts::Snapshot& snapshot,
                                                 const facts::InterpreterFacts& interpreter) {
  auto objects = python.objects();
  auto module = objects.module(RemoteAddr(interpreter.address), "asyncio.tasks");
  if (!module) return std::nullopt;
  auto weak = objects.attribute(*module, "_scheduled_tasks");
  if (!weak) weak = objects.attribute(*module, "_all_tasks");
  if (!weak) return std::nullopt;
  auto data = objects.path(*weak, "data");
  if (!data) return std::nullopt;
  auto refs = objects.items(*data);
  if (!refs) return std::nullopt;
  std::vector<RemoteAddr> tasks;
  for (auto ref : *refs)
    if (auto task = cpython::referent(python, ref)) tasks.push_back(*task);
  if (auto eager = objects.attribute(*module, "_eager_tasks"))
    if (auto more = objects.items(*eager)) tasks.insert(tasks.end(), more->begin(), more->end());
  if (!listed_tasks(python, snapshot, interpreter, tasks)) return std::nullopt;
  return tasks;
}

// What two kinds of tasks have in common, by where each keeps it.
struct TaskParts {
  RemoteAddr name, waiter, coroutine;
  std::optional<std::int64_t> cancels;
};

// A task of the C accelerator, or of a Python subclass of it, if it is of that loop and pending.
std::optional<TaskParts> c_task(Python& python, RemoteAddr object, RemoteAddr loop) {
  auto& reader = python.reader();
  auto owner = reader.pointer("TaskObj", "task_loop", object);
  auto state = reader.number("TaskObj", "task_state", object);
  if (!owner || *owner != loop || !state || *state != 0) return std::nullopt;  // STATE_PENDING
  TaskParts parts;
  parts.name = reader.pointer("TaskObj", "task_name", object).value_or(RemoteAddr());
  parts.waiter = reader.pointer("TaskObj", "task_fut_waiter", object).value_or(RemoteAddr());
  parts.coroutine = reader.pointer("TaskObj", "task_coro", object).value_or(RemoteAddr());
  if (auto cancels = reader.signed_number("TaskObj", "task_num_cancels_requested", object)) parts.cancels = *cancels;
  return parts;
}

// The same of the class in Python (Lib/asyncio/tasks.py, futures.py), which keeps it in attributes.
std::optional<TaskParts> python_task(Python& python, RemoteAddr object, RemoteAddr loop) {
  auto objects = python.objects();
  auto owner = objects.attribute(object, "_loop");
  auto state = objects.attribute(object, "_state");
  if (!owner || *owner != loop) return std::nullopt;
  // Pending is the class's default; an instance has the attribute once it is something else.
  if (state && !objects.equals(*state, "PENDING").value_or(false)) return std::nullopt;
  const auto get = [&](const char* name) {
    auto value = objects.attribute(object, name);
    return value && !objects.is_none(*value) ? *value : RemoteAddr();
  };
  TaskParts parts{get("_name"), get("_fut_waiter"), get("_coro"), {}};
  if (auto cancels = objects.attribute(object, "_num_cancels_requested"))
    parts.cancels = objects.integer(*cancels).to_optional();
  return parts;
}

// Nothing for a task that is done or of another loop.
std::optional<TaskParts> parts_of(Python& python, RemoteAddr object, RemoteAddr loop) {
  auto parts = c_task(python, object, loop);
  return parts ? parts : python_task(python, object, loop);
}

facts::TaskFacts read_task(Python& python, RemoteAddr object, const TaskParts& of) {
  const auto* parts = &of;
  facts::TaskFacts task;
  task.object = object.raw();
  if (parts->name) {
    // 3.12+: a default name is kept as its number until asked for ("Task-%d").
    task.name = python.objects().str(parts->name).value_or("");
    if (auto number = python.objects().integer(parts->name); task.name.empty() && number)
      task.name = "Task-" + std::to_string(*number);
  }
  if (parts->waiter) task.waits_on = python.objects().qualified_type_name(parts->waiter).value_or("");
  task.cancels = parts->cancels;
  if (parts->coroutine) read_coroutine(python, parts->coroutine, task);
  read_parked(python, parts->waiter, task);
  return task;
}

// The task that run_until_complete drives: local `future` of that frame.
RemoteAddr main_task(Python& python, const Driver& driver) {
  for (std::size_t i = driver.frame; i < driver.state.frames.size(); ++i) {
    const auto& frame = driver.state.frames[i];
    if (frame.function.ends_with(".run_until_complete"))
      return python.local(RemoteAddr(frame.address), "future").value_or(RemoteAddr());
  }
  return {};
}

}  // namespace

void read_asyncio(Python& python, const facts::Snapshot& snapshot, const Driver& driver, LoopFacts& loop) {
  auto object = python.local(RemoteAddr(driver.state.frames[driver.frame].address), "self");
  if (!object) return;
  loop.object = object->raw();
  loop.ready = length_of(python, *object, "_ready");
  loop.scheduled = live_timers(python, *object);
  read_queued(python, loop);
  if (auto queue = python.objects().path(*object, "_default_executor._work_queue")) loop.executor = queue->raw();
  loop.stopping = flag_of(python, *object, "_stopping");
  loop.closed = flag_of(python, *object, "_closed");
  read_wakeup(python, *object, loop);
  read_watched_asyncio(python, loop);
  read_signal_handlers(python, *object, loop);
  const auto* interpreter = snapshot.interpreter(loop.interpreter);
  if (interpreter == nullptr) return;
  auto tasks = all_tasks(python, snapshot, *interpreter);
  if (!tasks) return;
  loop.tasks_known = true;
  const RemoteAddr main = main_task(python, driver);
  TaskSelection selection(python);
  for (auto address : *tasks) {
    const auto parts = parts_of(python, address, *object);
    if (!parts || !selection.takes(parts->coroutine, address == main)) continue;
    loop.tasks.push_back(read_task(python, address, *parts));
    loop.tasks.back().main = address == main;
  }
  loop.task_count = selection.seen();
  read_cancel_scopes(python, loop);
}

namespace {

// The loop that a task belongs to.
RemoteAddr loop_of_task(Python& python, RemoteAddr task) {
  // Python tasks keep it in an attribute; what lies at TaskObj's place in them is something else.
  if (auto owner = python.objects().attribute(task, "_loop")) return *owner;
  return python.reader().pointer("TaskObj", "task_loop", task).value_or(RemoteAddr());
}

// asyncio.run() knows the loop that it runs, whatever it is made of (Lib/asyncio/runners.py, 3.11+).
void find_runner(Python& python, const facts::PythonFacts& facts, LoopFacts& loop) {
  for (const auto& state : facts.thread_states)
    for (std::size_t i = 0; i < state.frames.size(); ++i) {
      const auto& frame = state.frames[i];
      if (frame.function != "Runner.run" || !frame.file.ends_with("asyncio/runners.py")) continue;
      auto runner = python.local(RemoteAddr(frame.address), "self");
      auto object = runner ? python.objects().attribute(*runner, "_loop") : runner;
      if (!object || object->raw() != loop.object) continue;
      loop.tid = state.tid;
      loop.tstate = state.address;
      loop.run_function = frame.function;
      loop.in_selector = i == 0;  // the loop itself has no frames
      if (i > 0) loop.user_frame = 0;
      return;
    }
}

bool is_read(const facts::PythonFacts& facts, RemoteAddr object) {
  return std::any_of(facts.loops.begin(), facts.loops.end(),
                     [&](const LoopFacts& loop) { return loop.object == object.raw(); });
}

}  // namespace

void read_other_loops(Python& python, facts::Snapshot& snapshot) {
  constexpr std::size_t kMostLoops = 64;
  auto& facts = *snapshot.python;
  for (const auto& interpreter : facts.interpreters) {
    const auto tasks = all_tasks(python, snapshot, interpreter);
    if (!tasks) continue;
    TaskSelection selection(python);
    for (const RemoteAddr task : *tasks) {
      const RemoteAddr owner = loop_of_task(python, task);
      if (!owner || is_read(facts, owner)) continue;
      auto known = std::find_if(facts.other_loops.begin(), facts.other_loops.end(),
                                [&](const LoopFacts& loop) { return loop.object == owner.raw(); });
      if (known == facts.other_loops.end()) {
        const auto type = python.objects().qualified_type_name(owner).value_or("");
        // One of asyncio's own that no thread runs: it was closed, or has stopped.
        if (type.empty() || type.starts_with("asyncio.") || facts.other_loops.size() >= kMostLoops) continue;
        LoopFacts loop;
        loop.type = type;
        loop.object = owner.raw();
        loop.interpreter = interpreter.id;
        loop.tasks_known = true;
        loop.task_count = 0;
        find_runner(python, facts, loop);
        facts.other_loops.push_back(std::move(loop));
        known = std::prev(facts.other_loops.end());
      }
      const auto parts = parts_of(python, task, owner);
      if (!parts) continue;
      ++*known->task_count;
      if (selection.takes(parts->coroutine, false)) known->tasks.push_back(read_task(python, task, *parts));
    }
  }
}

}  // namespace hang::loops
