// anyio's cancel scopes on asyncio (anyio/_backends/_asyncio.py, 3.6 to 4.15): CancelScope has `_cancel_called`,
// `_cancel_handle` and `_tasks`; a TaskGroup has one in `cancel_scope`.
#include <algorithm>

#include "cpython/readers.h"
#include "loops/frameworks.h"

namespace hang::loops {

using cpython::Python;

namespace {

constexpr std::size_t kMostScopes = 100, kMostTasks = 100;

bool is_anyio(const facts::FrameFacts& frame) {
  return frame.file.find("anyio/") != std::string::npos;
}

// The scope behind an object that a frame is inside of: the scope itself, or that of a task group.
RemoteAddr scope_of(Python& python, RemoteAddr object) {
  auto objects = python.objects();
  const auto type = objects.qualified_type_name(object).value_or("");
  if (!type.starts_with("anyio.")) return {};
  if (type.ends_with(".CancelScope")) return object;
  return objects.attribute(object, "cancel_scope").value_or(RemoteAddr());
}

// The tasks of a scope and, as the delivery does, of those inside of it that are neither shielded nor cancelled.
void add_tasks(Python& python, RemoteAddr scope, int depth, std::vector<std::uint64_t>& into) {
  constexpr int kMostDepth = 20;
  auto objects = python.objects();
  if (auto set = objects.attribute(scope, "_tasks"))
    if (auto tasks = objects.items(*set))
      for (const RemoteAddr task : *tasks)
        if (into.size() < kMostTasks) into.push_back(task.raw());
  auto children = objects.attribute(scope, "_child_scopes");
  auto inner = children ? objects.items(*children) : Result<std::vector<RemoteAddr>>(children.error());
  if (!inner || depth == kMostDepth) return;
  for (const RemoteAddr child : *inner)
    if (into.size() < kMostTasks && flag_of(python, child, "_shield") == false &&
        flag_of(python, child, "_cancel_called") == false)
      add_tasks(python, child, depth + 1, into);
}

void read_scope(Python& python, RemoteAddr scope, facts::LoopFacts& loop) {
  const auto known = [&](const facts::CancelScopeFacts& other) { return other.object == scope.raw(); };
  if (!scope || loop.cancel_scopes.size() == kMostScopes || std::ranges::any_of(loop.cancel_scopes, known)) return;
  auto objects = python.objects();
  if (flag_of(python, scope, "_cancel_called") != true) return;
  facts::CancelScopeFacts facts;
  facts.object = scope.raw();
  auto handle = objects.attribute(scope, "_cancel_handle");
  facts.delivering = handle && !objects.is_none(*handle);
  add_tasks(python, scope, 0, facts.tasks);
  loop.cancel_scopes.push_back(std::move(facts));
}

}  // namespace

void read_cancel_scopes(Python& python, facts::LoopFacts& loop) {
  for (const auto& task : loop.tasks) {
    if (std::ranges::none_of(task.frames, is_anyio)) continue;
    for (const auto& frame : task.frames) {
      const RemoteAddr at(frame.address);
      if (is_anyio(frame))
        if (auto self = python.local(at, "self")) read_scope(python, scope_of(python, *self), loop);
      if (auto open = cpython::open_with_blocks(python.reader(), at))
        for (const RemoteAddr object : *open) read_scope(python, scope_of(python, object), loop);
    }
  }
}

}  // namespace hang::loops
