// Which tasks of a loop lead to what another one is parked on, and would they end its wait?
#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "cpython/readers.h"
#include "loops/frameworks.h"
#include "loops/named_code.h"
#include "loops/parked.h"
#include "loops/reference_search.h"

namespace hang::loops {

using cpython::Python;
using facts::ParkedOn;
using facts::TaskFacts;

namespace {

constexpr std::size_t kMaxObjects = 200'000;  // looked at for one loop

// What code must name to end such a wait.
std::vector<std::string_view> verbs_of(ParkedOn on) {
  switch (on) {
    case ParkedOn::queue_get: return {"put", "put_nowait", "shutdown"};
    case ParkedOn::queue_put: return {"get", "get_nowait", "shutdown"};
    case ParkedOn::queue_join: return {"task_done", "shutdown"};
    case ParkedOn::event: return {"set"};
    case ParkedOn::lock:
    case ParkedOn::semaphore: return {"release"};
    case ParkedOn::condition: return {"notify", "notify_all"};
    case ParkedOn::receive: return {"send", "send_nowait", "aclose", "close"};
    case ParkedOn::barrier: return {"wait", "abort"};
    case ParkedOn::future: return {"set_result", "set_exception", "cancel"};
    default: return {};
  }
}

bool is_channel(const TaskFacts& task) {
  return !task.system && task.parked.object != 0 &&
         (task.parked.on == ParkedOn::receive || task.parked.on == ParkedOn::send);
}

bool is_primitive(const TaskFacts& task) {
  return !task.system && task.parked.object != 0 && !is_channel(task) && !verbs_of(task.parked.on).empty();
}

Goal goal_of(const facts::LoopFacts& loop) {
  Goal goal;
  goal.all = true;
  goal.barriers.insert(loop.object);
  for (const auto& task : loop.tasks) {
    goal.barriers.insert(task.object);
    if (is_channel(task)) goal.channels.insert(task.parked.object);
    if (is_primitive(task)) goal.objects.insert(task.parked.object);
  }
  return goal;
}

// The names in the code that a task's frames lead to, and what they are inside of `async with` of.
struct Deeds {
  NamedCode code;
  std::vector<RemoteAddr> inside;
};

Deeds deeds_of(Python& python, const TaskFacts& task) {
  Deeds deeds{NamedCode(python), {}};
  for (const auto& frame : task.frames) {
    const RemoteAddr at(frame.address);
    deeds.code.add_frame(at);
    auto open = cpython::open_with_blocks(python.reader(), at);
    if (!open) continue;
    for (const RemoteAddr object : *open) {
      deeds.inside.push_back(object);
      // Of a memory channel, the state that its two ends share.
      if (auto state = python.objects().attribute(object, "_state")) deeds.inside.push_back(*state);
    }
  }
  return deeds;
}

// asyncio.timeout() around a frame (Lib/asyncio/timeouts.py, 3.11+), or 3.11's own wait_for.
bool is_bounded(Python& python, const TaskFacts& task, const Deeds& deeds) {
  auto objects = python.objects();
  for (const RemoteAddr object : deeds.inside) {
    if (objects.qualified_type_name(object).value_or("") != "asyncio.timeouts.Timeout") continue;
    auto when = objects.attribute(object, "_when");
    if (!when || !objects.is_none(*when)) return true;
  }
  return std::any_of(task.frames.begin(), task.frames.end(), [&](const facts::FrameFacts& frame) {
    if (!frame.file.ends_with("asyncio/tasks.py") || (frame.function != "wait_for" && frame.function != "_wait"))
      return false;
    auto timeout = python.local(RemoteAddr(frame.address), "timeout");
    return !timeout || !objects.is_none(*timeout);
  });
}

void add(facts::ParkedFacts& parked, std::uint64_t task) {
  constexpr std::size_t kMost = 20;
  if (parked.could_end.size() < kMost) parked.could_end.push_back(task);
}

// What `other` means for `task`, which is parked.
void relate(const TaskFacts& other, const Deeds& deeds, const ReferenceSearch& search, TaskFacts& task) {
  auto& parked = task.parked;
  const bool inside = std::any_of(deeds.inside.begin(), deeds.inside.end(),
                                  [&](RemoteAddr object) { return object.raw() == parked.object; });
  if (inside && parked.on == ParkedOn::lock) {
    if (std::find(parked.tasks.begin(), parked.tasks.end(), other.object) == parked.tasks.end())
      parked.tasks.push_back(other.object);
    return;
  }
  if (is_channel(task)) {
    const bool has =
        parked.on == ParkedOn::receive ? search.reached_sender(parked.object) : search.reached_receiver(parked.object);
    if (has) add(parked, other.object);
    return;
  }
  if (!inside && !search.reached(parked.object)) return;
  // One that waits for the same in the same way does not end that wait.
  const bool same = other.parked.object == parked.object && other.parked.on == parked.on;
  if (inside || (!same && deeds.code.names_any(verbs_of(parked.on)))) add(parked, other.object);
}

}  // namespace

namespace {

bool is_searched(const TaskFacts& task) {
  return is_primitive(task) || is_channel(task);
}

// asyncio's own callbacks, of timers and descriptors, run no task.
void search_callbacks(Python& python, const Goal& goal, facts::LoopFacts& loop, bool& complete) {
  if (loop.kind != facts::LoopKind::asyncio) return;
  auto objects = python.objects();
  ReferenceSearch search(python, goal);
  for (const char* root : {"_scheduled", "_selector._fd_to_key", "_signal_handlers"})
    if (auto object = objects.path(RemoteAddr(loop.object), root)) search.begin_at(*object);
  search.run();
  complete = complete && search.complete();
  for (auto& task : loop.tasks)
    if (is_searched(task) && search.reached(task.parked.object)) add(task.parked, 0);
}

}  // namespace

void search_references(Python& python, facts::LoopFacts& loop) {
  const Goal goal = goal_of(loop);
  if (goal.objects.empty() && goal.channels.empty()) return;
  std::size_t looked_at = 0;
  bool complete = loop.tasks_known && loop.task_count == loop.tasks.size();
  for (auto& other : loop.tasks) {
    if (other.system || other.frames.empty()) continue;
    if (looked_at > kMaxObjects) {
      complete = false;
      break;
    }
    ReferenceSearch search(python, goal);
    search.begin_at(other.frames);
    search.run();
    looked_at += search.looked_at();
    complete = complete && search.complete();
    Deeds deeds = deeds_of(python, other);
    // What its code does matters only where it leads to something that is waited for.
    const bool leads = std::any_of(loop.tasks.begin(), loop.tasks.end(), [&](const TaskFacts& task) {
      return is_primitive(task) && search.reached(task.parked.object);
    });
    if (leads) {
      deeds.code.add(search.met());
      complete = deeds.code.follow() && complete;
    }
    if (loop.kind == facts::LoopKind::asyncio) other.bounded = is_bounded(python, other, deeds);
    for (auto& task : loop.tasks)
      if (&task != &other && is_searched(task)) relate(other, deeds, search, task);
  }
  search_callbacks(python, goal, loop, complete);
  for (auto& task : loop.tasks)
    if (is_searched(task)) task.parked.searched = complete;
}

}  // namespace hang::loops
