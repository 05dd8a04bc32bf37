// subprocess.Popen (Lib/subprocess.py), multiprocessing.popen_fork.Popen (Lib/multiprocessing/popen_fork.py),
// asyncio.subprocess.Process (Lib/asyncio/subprocess.py); the same attributes from 3.11 to 3.15.
#include "collect/subprocesses.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "cpython/readers.h"

namespace hang::collect {

using cpython::Python;
using facts::FrameFacts;

namespace {

constexpr std::size_t kMostFrames = 12, kMostTasks = 200, kMostChildren = 256;

// The pid in the `self` of such a frame.
std::optional<std::int64_t> popen_of(Python& python, const FrameFacts& frame) {
  const bool popen = frame.file.ends_with("subprocess.py") && !frame.file.ends_with("asyncio/subprocess.py") &&
                     frame.function.starts_with("Popen.");
  const bool fork = frame.file.find("multiprocessing/popen_") != std::string::npos;
  if (!popen && !fork) return std::nullopt;
  auto self = python.local(RemoteAddr(frame.address), "self");
  auto pid = self ? python.objects().attribute(*self, "pid") : self;
  return pid ? python.objects().integer(*pid).to_optional() : std::nullopt;
}

void read_thread(Python& python, facts::ThreadStateFacts& state) {
  for (std::size_t i = 0; i < std::min(state.frames.size(), kMostFrames); ++i)
    if (const auto pid = popen_of(python, state.frames[i]); pid && *pid > 0) {
      state.child = pid;
      return;
    }
}

void read_task(Python& python, facts::TaskFacts& task) {
  auto objects = python.objects();
  for (const auto& frame : task.frames) {
    if (!frame.file.ends_with("asyncio/subprocess.py") || !frame.function.starts_with("Process.")) continue;
    auto self = python.local(RemoteAddr(frame.address), "self");
    auto transport = self ? objects.attribute(*self, "_transport") : self;
    if (!transport) continue;
    if (auto pid = objects.attribute(*transport, "_pid")) task.child = objects.integer(*pid).to_optional();
    if (auto code = objects.attribute(*transport, "_returncode")) task.child_ended = !objects.is_none(*code);
    return;
  }
}

// Names with which code can only pass the time.
bool is_clock(std::string_view name) {
  static constexpr std::array names{"time",  "sleep",  "monotonic", "perf_counter", "time_ns", "wait", "is_set",
                                    "range", "Event",  "threading", "print",        "len",     "int",  "float",
                                    "str",   "append", "popleft",   "clear",        "round",   "min",  "max",
                                    "abs",   "deque",  "count",     "next",         "format",  "sum",  "get_ident"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Plain data that a name stands for can do nothing.
bool is_data(Python& python, RemoteAddr globals, const std::string& name) {
  static constexpr std::array types{"int", "float", "bool", "str", "list", "dict", "tuple", "NoneType", "Event", "set"};
  auto objects = python.objects();
  auto value = objects.dict_get(globals, name);
  const auto type = value ? objects.type_name(*value).value_or("") : std::string();
  return std::find(types.begin(), types.end(), type) != types.end();
}

std::optional<bool> only_sleeps(Python& python, const facts::ThreadStateFacts& state) {
  if (state.frames.empty() || !state.frames_complete) return std::nullopt;
  for (const auto& frame : state.frames) {
    if (frame.file.ends_with("/threading.py")) continue;  // start-up, Event.wait and Thread.join
    const RemoteAddr at(frame.address);
    auto globals = python.reader().pointer("_PyInterpreterFrame", "f_globals", at);
    const auto names = cpython::names_of_code(python.reader(), at);
    for (const auto& name : names)
      if (!is_clock(name) && !(globals && is_data(python, python.reader().untagged(globals->raw()), name)))
        return false;
  }
  return true;
}

// multiprocessing.util._exit_function joins what active_children() lists, after it has ended the daemons.
void read_exit_joins(Python& python, facts::PythonFacts& facts) {
  auto objects = python.objects();
  for (const auto& interpreter : facts.interpreters) {
    if (!interpreter.is_main) continue;
    auto module = objects.module(RemoteAddr(interpreter.address), "multiprocessing.process");
    auto children = module ? objects.attribute(*module, "_children") : module;
    auto items = children ? objects.items(*children) : Result<std::vector<RemoteAddr>>(children.error());
    if (!items) return;
    for (std::size_t i = 0; i < std::min(items->size(), kMostChildren); ++i) {
      auto pid = objects.path((*items)[i], "_popen.pid");
      auto config = objects.attribute((*items)[i], "_config");
      auto daemon = config ? objects.dict_get(*config, "daemon") : config;
      if (daemon && objects.integer(*daemon).value_or(0) != 0) continue;
      if (auto number = pid ? objects.integer(*pid).to_optional() : std::nullopt) facts.exit_joins.push_back(*number);
    }
  }
}

}  // namespace

void read_subprocesses(Python& python, facts::Snapshot& snapshot) {
  auto& facts = *snapshot.python;
  constexpr std::size_t kMostThreads = 64;
  std::size_t threads = 0;
  for (auto& state : facts.thread_states) {
    read_thread(python, state);
    const auto* thread = state.frames.empty() ? nullptr : snapshot.thread(state.tid);
    const bool timed = thread != nullptr && thread->wait.timeout_ms.value_or(-1) >= 0;
    if (timed && state.tid != facts.main_tid && ++threads <= kMostThreads)
      state.only_sleeps = only_sleeps(python, state);
  }
  for (auto& loop : facts.loops)
    for (std::size_t i = 0; i < std::min(loop.tasks.size(), kMostTasks); ++i) read_task(python, loop.tasks[i]);
  read_exit_joins(python, facts);
}

}  // namespace hang::collect
