// What threads block on in Python, and who makes it: concurrent.futures (Lib/concurrent/futures/_base.py, thread.py;
// 3.11 to 3.15), threading.Event, queue.Queue, and calls into trio's thread (trio/_threads.py; 0.22 to 0.34).
#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "cpython/coroutine.h"
#include "cpython/readers.h"
#include "loops/frameworks.h"
#include "loops/reference_search.h"

namespace hang::loops {

using cpython::Python;
using facts::AwaitedFacts;
using facts::Provider;
using facts::ThreadStateFacts;

namespace {

constexpr std::size_t kMostHandles = 1000, kMostJobs = 100'000, kMostSearched = 64;

// What would end such a wait, as code names it.
constexpr std::array<std::string_view, 8> kVerbs{"set",        "set_result", "set_exception", "put",
                                                 "put_nowait", "cancel",     "release",       "notify"};

bool is_verb(const std::string& name) {
  return std::find(kVerbs.begin(), kVerbs.end(), name) != kVerbs.end();
}

// A function in which threads wait, the variable that says for what, and how that is to be read.
enum class Shown { object, all_of, any_of, trio_token };
struct WaitFrame {
  std::string_view file, function;
  const char* variable;
  Shown shown;
};
constexpr std::array kWaitFrames{
    WaitFrame{"concurrent/futures/_base.py", "Future.result", "self", Shown::object},
    WaitFrame{"concurrent/futures/_base.py", "Future.exception", "self", Shown::object},
    WaitFrame{"concurrent/futures/_base.py", "wait", "fs", Shown::all_of},
    WaitFrame{"concurrent/futures/_base.py", "as_completed", "pending", Shown::any_of},
    WaitFrame{"threading.py", "Event.wait", "self", Shown::object},
    WaitFrame{"queue.py", "Queue.get", "self", Shown::object},
    WaitFrame{"trio/_threads.py", "_send_message_to_trio", "trio_token", Shown::trio_token},
    WaitFrame{"trio/_threads.py", "_run_fn_as_system_task", "trio_token", Shown::trio_token}};

// The wait that user code asked for: the outermost of those around where the thread sleeps.
struct Found {
  const WaitFrame* wait = nullptr;
  std::size_t frame = 0;
};

Found find_wait(const ThreadStateFacts& state) {
  Found found;
  for (std::size_t i = 0; i < state.frames.size(); ++i) {
    const auto& frame = state.frames[i];
    bool library = false;
    for (const auto& wait : kWaitFrames) {
      if (!frame.file.ends_with(wait.file)) continue;
      library = true;
      if (frame.function == wait.function) found = {&wait, i};
    }
    if (!library) break;
  }
  return found;
}

class AwaitedReader {
 public:
  AwaitedReader(Python& python, facts::Snapshot& snapshot)
      : python_(python), objects_(python.objects()), facts_(*snapshot.python) {}

  void run();

 private:
  void prefetch();
  void read_worker(ThreadStateFacts& state);
  void read_wait(const ThreadStateFacts& state, const Found& found);
  void read_many(AwaitedFacts awaited, RemoteAddr frame, const Found& found);
  void read_trio_call(AwaitedFacts awaited, RemoteAddr token);
  void resolve();
  void resolve_one(AwaitedFacts& awaited);
  bool by_task(AwaitedFacts& awaited);
  void read_pools();
  void read_queues();
  void read_handle(std::uint64_t loop, RemoteAddr handle);
  void note_callable(std::uint64_t loop, RemoteAddr callable, const std::vector<RemoteAddr>& arguments);
  void note_coroutine(std::uint64_t loop, const facts::TaskFacts& task);
  void note(std::uint64_t loop, RemoteAddr object, bool seen) { queued_.try_emplace(object.raw(), loop, seen); }
  std::vector<RemoteAddr> closure_of(RemoteAddr function);
  bool names_verb(RemoteAddr function);
  void infer_threads();
  std::vector<AwaitedFacts> threads_that_could(const AwaitedFacts& awaited);

  Python& python_;
  cpython::Objects objects_;
  facts::PythonFacts& facts_;
  std::map<std::uint64_t, std::uint64_t> runs_, waits_in_;          // future: thread state; future: work queue
  std::map<std::uint64_t, std::pair<std::uint64_t, bool>> queued_;  // object: loop, seen
};

// `_worker` has the work queue as an argument, and the job while it runs one; 3.14 added an argument before them. A
// worker of anyio (anyio/_backends/_asyncio.py) has a queue of its own, which says something only while it waits there:
// its job may be the get() of another.
void AwaitedReader::read_worker(ThreadStateFacts& state) {
  for (std::size_t i = 0; i < state.frames.size(); ++i) {
    const auto& frame = state.frames[i];
    if (i > 0 && frame.function == "WorkerThread.run" && frame.file.ends_with("anyio/_backends/_asyncio.py")) {
      auto worker = python_.local(RemoteAddr(frame.address), "self");
      auto own = worker ? objects_.attribute(*worker, "queue") : worker;
      auto waits_in = python_.local(RemoteAddr(state.frames[i - 1].address), "self");
      if (own && waits_in && *own == *waits_in) state.pool = own->raw();
      return;
    }
    if (frame.function != "_worker" || !frame.file.ends_with("concurrent/futures/thread.py")) continue;
    const RemoteAddr at(frame.address);
    if (auto queue = python_.local(at, "work_queue")) state.pool = queue->raw();
    auto job = python_.local(at, "work_item");
    if (!job || !*job) continue;
    if (auto future = objects_.attribute(*job, "future")) runs_[future->raw()] = state.address;
  }
}

void AwaitedReader::read_many(AwaitedFacts awaited, RemoteAddr frame, const Found& found) {
  constexpr std::size_t kMost = 1000;
  auto futures = python_.local(frame, found.wait->variable);
  if (!futures) return;
  auto items = objects_.items(*futures);
  if (!items || items->empty() || items->size() > kMost) return;
  awaited.any = found.wait->shown == Shown::any_of;
  if (auto when = python_.local(frame, "return_when"); !awaited.any && when)
    awaited.any = !objects_.equals(*when, "ALL_COMPLETED").value_or(false);
  for (const RemoteAddr future : *items) {
    awaited.object = future.raw();
    awaited.type = objects_.qualified_type_name(future).value_or("");
    facts_.awaited.push_back(awaited);
  }
}

// The token of a run has the entry queue that the loop's runner reads.
void AwaitedReader::read_trio_call(AwaitedFacts awaited, RemoteAddr token) {
  auto entry = objects_.attribute(token, "_reentry_queue");
  if (!entry) return;
  awaited.type = "trio call";
  for (const auto& loop : facts_.loops) {
    if (loop.kind != facts::LoopKind::trio || loop.object == 0) continue;
    auto own = objects_.attribute(RemoteAddr(loop.object), "entry_queue");
    if (!own || *own != *entry) continue;
    awaited.by = Provider::loop;
    awaited.provider = loop.object;
  }
  facts_.awaited.push_back(std::move(awaited));
}

void AwaitedReader::read_wait(const ThreadStateFacts& state, const Found& found) {
  AwaitedFacts awaited;
  awaited.waiter = state.address;
  awaited.frame = found.frame;
  const RemoteAddr frame(state.frames[found.frame].address);
  if (found.wait->shown == Shown::all_of || found.wait->shown == Shown::any_of)
    return read_many(std::move(awaited), frame, found);
  auto value = python_.local(frame, found.wait->variable);
  if (!value || !*value || objects_.is_none(*value)) return;
  if (found.wait->shown == Shown::trio_token) return read_trio_call(std::move(awaited), *value);
  awaited.object = value->raw();
  awaited.type = objects_.qualified_type_name(*value).value_or("");
  facts_.awaited.push_back(std::move(awaited));
}

// The jobs that no worker has taken yet.
void AwaitedReader::read_pools() {
  for (const auto& state : facts_.thread_states) {
    if (state.pool == 0 || waits_in_.contains(state.pool)) continue;
    waits_in_[state.pool] = 0;  // read once
    auto jobs = objects_.items(RemoteAddr(state.pool));
    if (!jobs || jobs->size() > kMostJobs) continue;
    for (const RemoteAddr job : *jobs)
      if (!objects_.is_none(job))
        if (auto future = objects_.attribute(job, "future")) waits_in_[future->raw()] = state.pool;
  }
}

std::vector<RemoteAddr> AwaitedReader::closure_of(RemoteAddr function) {
  std::vector<RemoteAddr> values;
  auto& reader = python_.reader();
  auto closure = reader.pointer("PyFunctionObject", "func_closure", function);
  if (!closure || !*closure) return values;
  auto cells = objects_.items(*closure);
  if (!cells) return values;
  for (const RemoteAddr cell : *cells)
    if (auto value = reader.pointer("PyCellObject", "ob_ref", cell); value && *value) values.push_back(*value);
  return values;
}

bool AwaitedReader::names_verb(RemoteAddr function) {
  auto code = python_.reader().pointer("PyFunctionObject", "func_code", function);
  auto names_at = code ? python_.reader().pointer("PyCodeObject", "co_names", *code) : code;
  if (!names_at) return false;
  auto names = objects_.items(*names_at);
  return names && std::any_of(names->begin(), names->end(),
                              [&](RemoteAddr name) { return is_verb(objects_.str(name).value_or("")); });
}

// What a queued call will act on: the object whose method it is, or what its function has in its closure or is given.
void AwaitedReader::note_callable(std::uint64_t loop, RemoteAddr callable, const std::vector<RemoteAddr>& arguments) {
  auto& reader = python_.reader();
  auto type = objects_.type_name(callable).value_or("");
  if (type == "builtin_function_or_method") {
    if (auto self = reader.pointer("PyCFunctionObject", "m_self", callable); self && *self) note(loop, *self, true);
    return;
  }
  RemoteAddr function = callable;
  if (type == "method") {
    auto inner = reader.pointer("PyMethodObject", "im_func", callable);
    auto self = reader.pointer("PyMethodObject", "im_self", callable);
    if (!inner || !self) return;
    function = *inner;
    const auto described = python_.describe_callable(function);
    const auto name = described ? described->name.substr(described->name.rfind('.') + 1) : std::string();
    if (is_verb(name)) note(loop, *self, true);
  }
  if (objects_.type_name(function).value_or("") != "function" || !names_verb(function)) return;
  const auto described = python_.describe_callable(function);
  // run_coroutine_threadsafe's own closure completes the future that it closes over, whatever happens.
  const bool known = described && described->name.ends_with("run_coroutine_threadsafe.<locals>.callback");
  for (const RemoteAddr value : closure_of(function)) note(loop, value, known);
  for (const RemoteAddr value : arguments) note(loop, value, false);
}

// A task whose step is queued may act on what its coroutine has.
void AwaitedReader::note_coroutine(std::uint64_t loop, const facts::TaskFacts& task) {
  for (const auto& frame : task.frames) {
    const RemoteAddr at(frame.address);
    const auto names = cpython::names_of_code(python_.reader(), at);
    if (std::none_of(names.begin(), names.end(), is_verb)) continue;
    if (auto locals = python_.locals(at))
      for (const auto& local : *locals)
        if (local.value) note(loop, local.value, false);
  }
}

void AwaitedReader::read_handle(std::uint64_t loop, RemoteAddr handle) {
  if (flag_of(python_, handle, "_cancelled") == true) return;
  auto parts = parts_of_handle(python_, handle);
  if (parts.empty()) return;
  const RemoteAddr callable = parts.front();
  parts.erase(parts.begin());
  if (objects_.type_name(callable).value_or("") == "functools.partial") {
    auto inner = python_.reader().pointer("partialobject", "fn", callable);
    if (inner) note_callable(loop, *inner, parts);
    return;
  }
  note_callable(loop, callable, parts);
}

void AwaitedReader::read_queues() {
  for (const auto& loop : facts_.loops) {
    if (loop.kind != facts::LoopKind::asyncio || loop.ready.value_or(0) == 0) continue;
    auto queue = objects_.attribute(RemoteAddr(loop.object), "_ready");
    auto handles = queue ? objects_.items(*queue) : Result<std::vector<RemoteAddr>>(queue.error());
    if (!handles || handles->size() > kMostHandles) continue;
    for (const RemoteAddr handle : *handles) read_handle(loop.object, handle);
    for (const auto& queued : loop.queued)
      for (const auto& task : loop.tasks)
        if (task.object == queued.task && queued.cancelled != true) note_coroutine(loop.object, task);
  }
}

// run_coroutine_threadsafe chains its future to the task: a callback of the future has the task in its closure.
bool AwaitedReader::by_task(AwaitedFacts& awaited) {
  auto list = objects_.attribute(RemoteAddr(awaited.object), "_done_callbacks");
  auto callbacks = list ? objects_.items(*list) : Result<std::vector<RemoteAddr>>(list.error());
  if (!callbacks) return false;
  for (const RemoteAddr callback : *callbacks) {
    if (objects_.type_name(callback).value_or("") != "function") continue;
    for (const RemoteAddr value : closure_of(callback))
      for (const auto& loop : facts_.loops)
        for (const auto& task : loop.tasks) {
          if (task.object != value.raw()) continue;
          awaited.by = Provider::loop;
          awaited.provider = loop.object;
          awaited.task = task.object;
          return true;
        }
  }
  return false;
}

void AwaitedReader::resolve_one(AwaitedFacts& awaited) {
  if (awaited.by != Provider::unknown || awaited.object == 0) return;
  const RemoteAddr object(awaited.object);
  // Of hundreds of threads that wait, most do so for one of these, which are no futures.
  const bool plain = awaited.type == "threading.Event" || awaited.type == "queue.Queue";
  if (auto state = plain ? Result<RemoteAddr>(RemoteAddr()) : objects_.attribute(object, "_state"); state && *state) {
    // PENDING and RUNNING are the two states without a result.
    if (!objects_.equals(*state, "PENDING").value_or(true) && !objects_.equals(*state, "RUNNING").value_or(true)) {
      awaited.by = Provider::nobody_needed;
      return;
    }
    if (auto runs = runs_.find(awaited.object); runs != runs_.end()) {
      awaited.by = Provider::thread;
      awaited.provider = runs->second;
      return;
    }
    if (auto waits = waits_in_.find(awaited.object); waits != waits_in_.end() && waits->second != 0) {
      awaited.by = Provider::pool;
      awaited.provider = waits->second;
      return;
    }
    if (by_task(awaited)) return;
  }
  if (auto queued = queued_.find(awaited.object); queued != queued_.end()) {
    awaited.by = Provider::loop;
    awaited.provider = queued->second.first;
    awaited.seen = queued->second.second;
  }
}

// Of a thread that blocks its loop: which other threads lead to what it waits for and name a call that would end it.
std::vector<AwaitedFacts> AwaitedReader::threads_that_could(const AwaitedFacts& awaited) {
  std::vector<AwaitedFacts> able;
  Goal goal;
  goal.objects.insert(awaited.object);
  std::size_t searched = 0;
  for (const auto& state : facts_.thread_states) {
    if (state.address == awaited.waiter || state.frames.empty()) continue;
    if (++searched > kMostSearched) return {};
    ReferenceSearch search(python_, goal);
    search.begin_at(state.frames);
    const bool leads = search.run();
    if (!leads && !search.complete()) return {};
    if (!leads) continue;
    const bool names = std::any_of(state.frames.begin(), state.frames.end(), [&](const facts::FrameFacts& frame) {
      const auto all = cpython::names_of_code(python_.reader(), RemoteAddr(frame.address));
      return std::any_of(all.begin(), all.end(), is_verb);
    });
    if (!names) continue;
    auto one = awaited;
    one.by = Provider::thread;
    one.provider = state.address;
    one.seen = false;
    one.any = true;
    able.push_back(std::move(one));
  }
  return able;
}

void AwaitedReader::infer_threads() {
  std::vector<AwaitedFacts> inferred;
  auto& all = facts_.awaited;
  for (auto it = all.begin(); it != all.end();) {
    const auto drives = std::any_of(facts_.loops.begin(), facts_.loops.end(), [&](const facts::LoopFacts& loop) {
      return loop.tstate == it->waiter && !loop.in_selector;
    });
    auto able = drives && it->by == Provider::unknown && it->object != 0 && !it->any ? threads_that_could(*it)
                                                                                     : std::vector<AwaitedFacts>();
    if (able.empty()) {
      ++it;
      continue;
    }
    inferred.insert(inferred.end(), able.begin(), able.end());
    it = all.erase(it);
  }
  all.insert(all.end(), inferred.begin(), inferred.end());
}

// Of hundreds of threads that wait, each page alone would cost a system call.
void AwaitedReader::prefetch() {
  std::vector<RemoteAddr> frames, values;
  std::vector<std::pair<RemoteAddr, const char*>> waits;
  for (const auto& state : facts_.thread_states) {
    const auto found = find_wait(state);
    if (found.wait == nullptr) continue;
    waits.emplace_back(RemoteAddr(state.frames[found.frame].address), found.wait->variable);
    frames.push_back(waits.back().first);
  }
  python_.reader().prefetch(frames);
  for (const auto& [frame, variable] : waits)
    if (auto value = python_.local(frame, variable)) values.push_back(*value);
  python_.reader().prefetch(values);
}

void AwaitedReader::run() {
  prefetch();
  for (auto& state : facts_.thread_states) {
    if (state.frames.empty()) continue;
    read_worker(state);
    if (const auto found = find_wait(state); found.wait != nullptr) read_wait(state, found);
  }
  if (facts_.awaited.empty()) return;
  read_pools();
  read_queues();
  for (auto& awaited : facts_.awaited) resolve_one(awaited);
  infer_threads();
}

}  // namespace

void read_awaited(Python& python, facts::Snapshot& snapshot) {
  AwaitedReader(python, snapshot).run();
}

}  // namespace hang::loops
