#include "loops/loops.h"

#include <algorithm>
#include <fmt/format.h>

#include "cpython/coroutine.h"
#include "loops/frameworks.h"
#include "loops/parked.h"

namespace hang::loops {

using cpython::Python;
using facts::LoopFacts;
using facts::ThreadStateFacts;

std::optional<std::int64_t> length_of(Python& python, RemoteAddr object, const std::string& attribute) {
  auto value = python.objects().attribute(object, attribute);
  return value ? python.objects().length(*value).to_optional() : std::nullopt;
}

std::optional<bool> flag_of(Python& python, RemoteAddr object, const std::string& attribute) {
  auto value = python.objects().attribute(object, attribute);
  if (!value) return std::nullopt;
  auto number = python.objects().integer(*value);
  return number ? std::optional(*number != 0) : std::nullopt;
}

std::optional<int> fd_of(Python& python, RemoteAddr object, const std::string& dotted) {
  auto value = python.objects().path(object, dotted);
  if (!value) return std::nullopt;
  auto fd = python.objects().file_descriptor(*value);
  return fd && *fd >= 0 ? std::optional(*fd) : std::nullopt;
}

namespace {

// It waits for other tasks of its loop: its park is the consequence of theirs.
bool waits_for_tasks(const facts::TaskFacts& task) {
  if (task.waits_on.ends_with("Task") || task.waits_on.ends_with("_GatheringFuture")) return true;
  // trio's tasks all park in the same two functions.
  const auto found = std::find_if(task.frames.begin(), task.frames.end(), [](const facts::FrameFacts& frame) {
    return !frame.file.ends_with("trio/_core/_traps.py");
  });
  if (found == task.frames.end()) return false;
  const auto& inner = *found;
  const auto is = [&](std::string_view file, std::string_view function) {
    return inner.file.ends_with(file) && inner.function.ends_with(function);
  };
  return inner.file.ends_with("asyncio/taskgroups.py") || is("asyncio/tasks.py", "_wait") ||
         is("trio/_core/_run.py", "_nested_child_finished");
}

}  // namespace

void read_coroutine(Python& python, RemoteAddr coroutine, facts::TaskFacts& task) {
  auto suspended = cpython::read_suspended(python, coroutine);
  if (!suspended) return;
  task.frames = std::move(suspended->frames);
  const auto& handling = suspended->handling;
  task.handles_cancel =
      std::find(handling.begin(), handling.end(), "asyncio.exceptions.CancelledError") != handling.end();
  if (suspended->awaits && task.waits_on.empty())
    task.waits_on = python.objects().qualified_type_name(suspended->awaits).value_or("");
  task.waits_for_tasks = waits_for_tasks(task);
}

namespace {

// The folder that holds the framework's package and, for asyncio, the standard library.
std::string library_root(const std::string& file, std::string_view package) {
  const auto at = file.rfind(package);
  return at == std::string::npos ? std::string() : file.substr(0, at);
}

// What runs inside the driving frame: the innermost frame that is not of the library, else the innermost one.
std::optional<int> user_frame(const Driver& driver, const std::string& root) {
  if (driver.frame == 0) return std::nullopt;
  for (std::size_t i = 0; i < driver.frame; ++i) {
    const auto& file = driver.state.frames[i].file;
    const bool installed = file.find("-packages/") != std::string::npos;
    const bool library = file.starts_with("<frozen ") ||
                         (file.starts_with(root) && (!installed || root.find("-packages") != std::string::npos));
    if (!library) return static_cast<int>(i);
  }
  return 0;
}

// A loop waits in its selector if nothing but the selector's own frames lies inside the driving frame.
bool in_selector(const Driver& driver) {
  for (std::size_t i = 0; i < driver.frame; ++i) {
    const auto& frame = driver.state.frames[i];
    const bool asyncio = frame.file.ends_with("/selectors.py") && frame.function.ends_with(".select");
    const bool trio =
        frame.file.find("/trio/_core/_io_") != std::string::npos && frame.function.ends_with(".get_events");
    const bool once = frame.function.ends_with("._run_once");
    if (i == 0 && !asyncio && !trio) return false;
    if (!asyncio && !trio && !once) return false;
  }
  return driver.frame > 0;
}

LoopFacts start(const Driver& driver, facts::LoopKind kind, std::string_view package) {
  LoopFacts loop;
  loop.kind = kind;
  loop.tid = driver.state.tid;
  loop.tstate = driver.state.address;
  loop.interpreter = driver.state.interpreter;
  const auto& frame = driver.state.frames[driver.frame];
  loop.run_function = frame.function;
  loop.in_selector = in_selector(driver);
  if (!loop.in_selector) loop.user_frame = user_frame(driver, library_root(frame.file, package));
  return loop;
}

}  // namespace

void read_loops(Python& python, facts::Snapshot& snapshot) {
  if (!snapshot.python) return;
  std::vector<LoopFacts> loops;
  for (const auto& state : snapshot.python->thread_states) {
    const auto asyncio = find_asyncio(state);
    const auto trio = find_trio(state);
    // One inside the other (asyncio in a thread of trio has a state of its own; nested on one stack is rare): the
    // innermost drives the thread now.
    if (asyncio && (!trio || asyncio->frame < trio->frame)) {
      auto loop = start(*asyncio, facts::LoopKind::asyncio, "asyncio/");
      read_asyncio(python, snapshot, *asyncio, loop);
      loops.push_back(std::move(loop));
    } else if (trio) {
      auto loop = start(*trio, facts::LoopKind::trio, "trio/");
      read_trio(python, *trio, loop);
      loops.push_back(std::move(loop));
    }
  }
  for (auto& loop : loops) {
    keep_read_tasks(loop);
    if (loop.object == 0) {
      snapshot.gaps.push_back({fmt::format("the loop object of thread {}", loop.tid),
                               "its frame's variables could not be read",
                               {"L1", "L5", "N3"}});
    } else if (loop.in_selector) {
      search_wakers(python, snapshot, loops, loop);
      if (loop.ready == 0) search_references(python, loop);
    }
  }
  snapshot.python->loops = std::move(loops);
  read_other_loops(python, snapshot);
  read_awaited(python, snapshot);
  read_polling(python, snapshot);
}

}  // namespace hang::loops
