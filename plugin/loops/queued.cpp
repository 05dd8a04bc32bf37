// What stands in the queue of an asyncio loop: Handle objects in the deque `_ready` (Lib/asyncio/base_events.py,
// events.py; 3.11 to 3.15).
#include "cpython/readers.h"
#include "loops/frameworks.h"

namespace hang::loops {

using cpython::Python;

namespace {

constexpr std::size_t kMostQueued = 20;

// The task whose next step the callable is: a TaskStepMethWrapper or a bound C function of the C task
// (Modules/_asynciomodule.c), or a bound method of the Python one.
std::uint64_t task_of(Python& python, RemoteAddr callable) {
  auto& reader = python.reader();
  auto objects = python.objects();
  const auto type = objects.type_name(callable).value_or("");
  const auto is_task = [&](RemoteAddr object) { return objects.type_name(object).value_or("").ends_with("Task"); };
  if (type.ends_with("TaskStepMethWrapper"))
    return reader.pointer("TaskStepMethWrapper", "sw_task", callable).value_or(RemoteAddr()).raw();
  RemoteAddr self;
  if (type == "builtin_function_or_method")
    self = reader.pointer("PyCFunctionObject", "m_self", callable).value_or(RemoteAddr());
  if (type == "method") self = reader.pointer("PyMethodObject", "im_self", callable).value_or(RemoteAddr());
  return self && is_task(self) ? self.raw() : 0;
}

facts::QueuedFacts read_handle(Python& python, RemoteAddr handle) {
  facts::QueuedFacts queued;
  queued.object = handle.raw();
  queued.cancelled = flag_of(python, handle, "_cancelled");
  auto callback = python.objects().attribute(handle, "_callback");
  if (!callback) return queued;
  queued.task = task_of(python, *callback);
  if (queued.task != 0) return queued;
  if (auto callable = python.describe_callable(*callback)) {
    queued.what = callable->name;
    queued.file = callable->file;
    queued.line = callable->line;
  }
  return queued;
}

}  // namespace

std::vector<RemoteAddr> parts_of_handle(Python& python, RemoteAddr handle) {
  std::vector<RemoteAddr> parts;
  auto objects = python.objects();
  if (auto callback = objects.attribute(handle, "_callback")) parts.push_back(*callback);
  if (auto arguments = objects.attribute(handle, "_args"))
    if (auto items = objects.items(*arguments)) parts.insert(parts.end(), items->begin(), items->end());
  return parts;
}

void read_queued(Python& python, facts::LoopFacts& loop) {
  auto queue = python.objects().attribute(RemoteAddr(loop.object), "_ready");
  if (!queue) return;
  auto handles = python.objects().items(*queue);
  if (!handles) return;
  for (auto handle : *handles) {
    if (loop.queued.size() == kMostQueued) break;
    loop.queued.push_back(read_handle(python, handle));
  }
}

}  // namespace hang::loops
