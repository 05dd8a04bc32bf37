// trio's run loop (trio/_core/_run.py, _io_epoll.py, _wakeup_socketpair.py; 0.22 to 0.34).
#include <algorithm>
#include <cmath>
#include <string_view>

#include "loops/frameworks.h"
#include "loops/parked.h"
#include "loops/task_selection.h"

namespace hang::loops {

using cpython::Python;
using facts::LoopFacts;

// The thread that waits for a guest's events, while the host sleeps.
constexpr std::string_view kGuestWait = "GuestState.guest_tick.<locals>.get_events";

// trio.run drives the generator unrolled_run, which is on the stack only while tasks run; the wait for events is made
// by run itself. In guest mode GuestState.guest_tick drives it, and the wait is another thread's.
std::optional<Driver> find_trio(const facts::ThreadStateFacts& state) {
  for (std::size_t i = 0; i < state.frames.size(); ++i) {
    const auto& frame = state.frames[i];
    if (!frame.file.ends_with("trio/_core/_run.py")) continue;
    if (frame.function == "run" || frame.function == "GuestState.guest_tick" || frame.function == kGuestWait)
      return Driver{state, i};
  }
  return std::nullopt;
}

namespace {

// trio has two pairs that exist only to wake the loop: the entry queue's and the io manager's.
void read_wakeup(Python& python, RemoteAddr runner, LoopFacts& loop) {
  loop.wakeup_reader = fd_of(python, runner, "entry_queue.wakeup.wakeup_sock");
  loop.wakeup_writer = fd_of(python, runner, "entry_queue.wakeup.write_sock");
  loop.epfd = fd_of(python, runner, "io_manager._epoll");
  for (auto fd : {loop.wakeup_reader, loop.wakeup_writer, loop.epfd,
                  fd_of(python, runner, "io_manager._force_wakeup.wakeup_sock"),
                  fd_of(python, runner, "io_manager._force_wakeup.write_sock")})
    if (fd) loop.own_fds.push_back(*fd);
}

// The scopes around a task, innermost first: CancelStatus objects linked by _parent (trio/_core/_run.py, 0.22 to 0.34).
// A shield keeps out what is cancelled further out.
void read_scopes(Python& python, RemoteAddr task, facts::TaskFacts& facts) {
  constexpr int kMaxScopes = 1000;
  auto objects = python.objects();
  auto status = objects.attribute(task, "_cancel_status");
  bool shielded = false, cancelled = false, bounded = false;
  for (int i = 0; i < kMaxScopes && status && !objects.is_none(*status); ++i) {
    auto scope = objects.attribute(*status, "_scope");
    if (!scope) return;
    const auto called = flag_of(python, *scope, "_cancel_called"), shield = flag_of(python, *scope, "_shield");
    if (!called || !shield) return;
    if (auto deadline = objects.attribute(*scope, "_deadline"))
      if (auto when = objects.floating(*deadline); when && std::isfinite(*when)) bounded = true;
    cancelled = cancelled || *called;
    if (!cancelled && *shield) shielded = true;  // a scope that is cancelled itself shields nothing from itself
    status = objects.attribute(*status, "_parent");
  }
  facts.cancels = cancelled ? 1 : 0;
  facts.shielded = shielded;
  facts.bounded = bounded;
}

// trio.to_thread.run_sync waits for its thread to the end unless it may abandon it (`cancellable` up to 0.22).
void read_thread_wait(Python& python, facts::TaskFacts& task) {
  for (const auto& frame : task.frames) {
    if (!frame.file.ends_with("trio/_threads.py") || frame.function != "to_thread_run_sync") continue;
    for (const char* name : {"abandon_on_cancel", "cancellable"}) {
      auto value = python.local(RemoteAddr(frame.address), name);
      if (!value || python.objects().is_none(*value)) continue;
      if (auto number = python.objects().integer(*value)) task.unstoppable = *number == 0;
      return;
    }
  }
}

void read_tasks(Python& python, RemoteAddr runner, LoopFacts& loop) {
  auto objects = python.objects();
  auto set = objects.attribute(runner, "tasks");
  if (!set) return;
  auto tasks = objects.items(*set);
  if (!tasks) return;
  loop.tasks_known = true;
  const RemoteAddr main = objects.attribute(runner, "main_task").value_or(RemoteAddr());
  const RemoteAddr init = objects.attribute(runner, "init_task").value_or(RemoteAddr());
  const RemoteAddr system = objects.attribute(runner, "system_nursery").value_or(RemoteAddr());
  TaskSelection selection(python);
  for (auto object : *tasks) {
    const auto coroutine = objects.attribute(object, "coro");
    const bool needed = object == main || object == init;
    if (!selection.takes(coroutine.value_or(RemoteAddr()), needed)) continue;
    facts::TaskFacts task;
    task.object = object.raw();
    if (auto name = objects.attribute(object, "name")) task.name = objects.str(*name).value_or("");
    task.main = main && object == main;
    // The main task lives in the system nursery too.
    const RemoteAddr parent = objects.attribute(object, "_parent_nursery").value_or(RemoteAddr());
    task.system = !task.main && (object == init || (system && parent == system));
    if (coroutine) read_coroutine(python, *coroutine, task);
    task.handles_cancel.reset();  // trio cancels by level, not by one exception
    // The entry queue's task has a nursery of its own.
    if (!task.main && !task.frames.empty() && task.frames.back().file.find("/trio/_core/") != std::string::npos)
      task.system = true;
    read_scopes(python, object, task);
    read_thread_wait(python, task);
    read_parked(python, RemoteAddr(), task);
    if (parent)
      if (auto owner = objects.attribute(parent, "_parent_task")) task.parent = owner->raw();
    loop.tasks.push_back(std::move(task));
  }
  loop.task_count = selection.seen();
}

// The tasks that may go on (a deque; 0.22 to 0.34).
std::vector<facts::QueuedFacts> objects_of_runq(Python& python, RemoteAddr runner) {
  constexpr std::size_t kMost = 20;
  std::vector<facts::QueuedFacts> queued;
  auto objects = python.objects();
  auto queue = objects.attribute(runner, "runq");
  if (!queue) return queued;
  auto tasks = objects.items(*queue);
  if (!tasks) return queued;
  for (auto task : *tasks) {
    if (queued.size() == kMost) break;
    facts::QueuedFacts one;
    one.object = one.task = task.raw();
    if (auto name = objects.attribute(task, "name")) one.what = objects.str(*name).value_or("");
    queued.push_back(std::move(one));
  }
  return queued;
}

// The loop whose bound method the guest was given to be run by: loop.call_soon_threadsafe.
std::uint64_t host_of(Python& python, RemoteAddr guest) {
  auto call = python.objects().attribute(guest, "run_sync_soon_threadsafe");
  if (!call) return 0;
  auto callable = python.describe_callable(*call);
  return callable ? callable->self.raw() : 0;
}

}  // namespace

void read_trio(Python& python, const Driver& driver, LoopFacts& loop) {
  const RemoteAddr frame(driver.state.frames[driver.frame].address);
  auto runner = python.local(frame, "runner");
  if (!runner) {
    auto guest = python.local(frame, "self");
    if (guest) runner = python.objects().attribute(*guest, "runner");
    if (guest) loop.host = host_of(python, *guest);
  }
  if (!runner) return;
  loop.object = runner->raw();
  loop.ready = length_of(python, *runner, "runq");
  if (auto queue = objects_of_runq(python, *runner); !queue.empty()) loop.queued = std::move(queue);
  loop.is_guest = flag_of(python, *runner, "is_guest");
  loop.interrupt_pending = flag_of(python, *runner, "ki_pending");
  if (auto active = python.objects().path(*runner, "deadlines._active"))
    loop.scheduled = python.objects().integer(*active).to_optional();
  read_wakeup(python, *runner, loop);
  read_watched_trio(python, loop);
  read_tasks(python, *runner, loop);
}

}  // namespace hang::loops
