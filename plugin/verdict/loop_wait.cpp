#include "verdict/loop_wait.h"

#include <algorithm>
#include <fmt/format.h>

namespace hang::verdict {

using facts::LoopFacts;
using facts::WaitKind;

namespace {

bool contains(const std::vector<std::uint64_t>& list, std::uint64_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Descriptors and the timer of the loop's own wait.
void own_wait(const WaitGraph& graph, LoopWait& wait) {
  for (const auto& on : graph.waiting(wait.loop->tid).on) {
    if (on.waker == Waker::none) {
      if (on.end == End::this_process || on.end == End::gone) wait.orphans.push_back(on);
    } else if (on.waker == Waker::unknown) {
      wait.missing = fmt::format("what could make {} ready", on.what);
    } else {
      wait.wakers.push_back({on.waker, on.what, on.end});
    }
  }
}

// Other threads: they can wake the loop if they can act at all and lead to it.
void other_threads(const Process& process, const WaitGraph& graph, LoopWait& wait) {
  for (auto tid : process.python_tids()) {
    const auto* state = process.current_state(tid);
    // What a thread is about whose frames were not read (gcore saves a stack with a guard page inside as zeros) is
    // open: it may do a job for this loop, or be a helper that polls for it.
    if (state != nullptr && !state->frames_complete) wait.unread.push_back(tid);
    if (tid == wait.loop->tid) continue;
    // trio's guest mode waits for events in a worker.
    if (state != nullptr && is_busy_pool_worker(*state) && process.loop_of(tid) == nullptr) wait.workers.push_back(tid);
  }
  for (auto tid : process.python_tids())
    if (tid != wait.loop->tid && graph.waiting(tid).waker == Waker::signal &&
        (!wait.loop->wakers_searched || contains(wait.loop->wakers, tid)))
      wait.wakers.push_back({Waker::signal, fmt::format("a signal, for which {} waits", process.thread_label(tid))});
  for (auto tid : graph.alive_besides(wait.loop->tid)) {
    if (contains(wait.workers, tid)) {
      wait.wakers.push_back({Waker::running, fmt::format("{}, which works on a job that may be for this loop",
                                                         process.thread_label(tid))});
    } else if (!wait.loop->wakers_searched || contains(wait.loop->wakers, tid)) {
      if (wait.loop->wakers_searched) {
        wait.wakers.push_back({graph.waiting(tid).waker,
                               fmt::format("{}, which can act and refers to this loop", process.thread_label(tid))});
      } else {
        wait.missing = fmt::format("whether {} can call into the loop", process.thread_label(tid));
      }
    } else {
      wait.strangers.push_back(tid);
    }
  }
}

bool is_sleep_forever(const facts::TaskFacts& task) {
  return std::any_of(task.frames.begin(), task.frames.end(), [](const facts::FrameFacts& frame) {
    return frame.function == "sleep_forever" && frame.file.find("/trio/") != std::string::npos;
  });
}

}  // namespace

std::optional<LoopWait> loop_wait(const Process& process, const WaitGraph& graph, const LoopFacts& loop) {
  const auto* thread = process.thread(loop.tid);
  if (!loop.in_selector || thread == nullptr) return std::nullopt;
  const auto kind = thread->wait.kind;
  if (kind != WaitKind::epoll && kind != WaitKind::poll && kind != WaitKind::select) return std::nullopt;
  LoopWait wait;
  wait.loop = &loop;
  wait.endless = is_endless(thread->wait);
  if (!thread->wait.timeout_ms) wait.missing = "the timeout of the loop's wait";
  own_wait(graph, wait);
  other_threads(process, graph, wait);
  if (!wait.unread.empty())
    wait.missing = fmt::format("the Python frames of {}, which may have to do with the loop",
                               process.thread_label(wait.unread.front()));
  // Where the loop's own map stands for the kernel's, what is not known of its descriptors is said by own_wait().
  const bool mapped = loop.watched && loop.epfd && loop.epfd == thread->wait.fd;
  if (!process.facts().kernel.fds_known && !mapped)
    wait.missing = "what the loop's descriptors are and who holds their other ends";
  bool any_task = false;
  for (const auto& task : loop.tasks) {
    if (task.system) continue;
    any_task = true;
    if (is_sleep_forever(task)) wait.wants_forever = true;
  }
  wait.no_tasks = loop.tasks_known && !any_task;
  return wait;
}

namespace {

bool runs_shutdown(const std::vector<facts::FrameFacts>& frames) {
  return std::any_of(frames.begin(), frames.end(), [](const facts::FrameFacts& frame) {
    return frame.function.ends_with(".shutdown_default_executor") && frame.file.ends_with("asyncio/base_events.py");
  });
}

}  // namespace

bool closes_executor(const Process& process, const LoopFacts& loop) {
  if (loop.kind != facts::LoopKind::asyncio || loop.executor == 0) return false;
  const auto* state = process.facts().thread_state(loop.tstate);
  if (state != nullptr && !loop.in_selector && runs_shutdown(state->frames)) return true;
  return std::any_of(loop.tasks.begin(), loop.tasks.end(),
                     [](const facts::TaskFacts& task) { return runs_shutdown(task.frames); });
}

bool nothing_can_wake(const LoopWait& wait) {
  return wait.endless && wait.wakers.empty() && wait.workers.empty() && !wait.missing && !wait.wants_forever &&
         !wait.no_tasks && wait.loop->ready.value_or(0) == 0 && wait.loop->signal_handlers.empty() &&
         !waits_for_signal(*wait.loop);
}

bool waits_for_signal(const LoopFacts& loop) {
  return std::any_of(loop.tasks.begin(), loop.tasks.end(), [](const facts::TaskFacts& task) {
    return std::any_of(task.frames.begin(), task.frames.end(), [](const facts::FrameFacts& frame) {
      return frame.file.ends_with("trio/_signals.py") && frame.function.ends_with("SignalReceiver.__anext__");
    });
  });
}

const facts::TaskFacts* find_task(const LoopFacts& loop, std::uint64_t object) {
  const auto found = std::find_if(loop.tasks.begin(), loop.tasks.end(),
                                  [&](const facts::TaskFacts& task) { return task.object == object; });
  return found == loop.tasks.end() ? nullptr : &*found;
}

namespace {

bool is_ours(const facts::TaskFacts& task) {
  return std::any_of(task.frames.begin(), task.frames.end(),
                     [](const auto& frame) { return !is_library_file(frame.file); });
}

// The task to begin with: the main one, else any.
const facts::TaskFacts* first_task(const LoopFacts& loop) {
  const facts::TaskFacts *best = nullptr, *leaf = nullptr;
  for (const auto& task : loop.tasks) {
    if (task.system || task.frames.empty()) continue;
    if (best == nullptr || task.main) best = &task;
    if (!task.waits_for_tasks && is_ours(task) && (leaf == nullptr || task.main)) leaf = &task;
  }
  return best != nullptr && best->main && best->parked.on == facts::ParkedOn::tasks ? best
         : leaf != nullptr                                                          ? leaf
                                                                                    : best;
}

// Of the tasks that must act first, one that waits for what no other task would bring, else the first.
const facts::TaskFacts* next_task(const LoopFacts& loop, const facts::TaskFacts& task) {
  const facts::TaskFacts* next = nullptr;
  for (const auto object : task.parked.tasks) {
    const auto* other = find_task(loop, object);
    if (other == nullptr || other->system || other->frames.empty() || !is_ours(*other)) continue;
    if (next == nullptr) next = other;
    if (other->parked.could_end.empty() && other->parked.tasks.empty()) return other;
  }
  return next;
}

}  // namespace

const facts::TaskFacts* parked_task(const LoopFacts& loop) {
  const auto* task = first_task(loop);
  std::vector<const facts::TaskFacts*> seen;
  while (task != nullptr && std::find(seen.begin(), seen.end(), task) == seen.end()) {
    seen.push_back(task);
    const auto* next = next_task(loop, *task);
    if (next == nullptr) return task;
    task = next;
  }
  return task;
}

namespace {

// "asyncio.queues.Queue" is what people call a Queue.
std::string_view short_type(const std::string& type) {
  const auto dot = type.rfind('.');
  return dot == std::string::npos ? std::string_view(type) : std::string_view(type).substr(dot + 1);
}

std::string task_names(const LoopFacts& loop, const std::vector<std::uint64_t>& tasks) {
  std::string names;
  std::size_t count = 0;
  for (const auto object : tasks) {
    const auto* task = find_task(loop, object);
    if (task == nullptr) continue;
    if (++count <= 3) names += (names.empty() ? "" : ", ") + task->name;
  }
  if (count > 3) names += fmt::format(" and {} more", count - 3);
  return names;
}

std::string lock_words(const LoopFacts& loop, const facts::ParkedFacts& parked) {
  const auto owners = task_names(loop, parked.tasks);
  if (parked.available == true) return "which is free";
  if (!owners.empty()) return "held by task " + owners;
  return parked.tasks.empty() ? "whose owner is not known" : "whose owner has ended without releasing it";
}

std::string state_words(const LoopFacts& loop, const facts::ParkedFacts& parked) {
  using facts::ParkedOn;
  const auto items = parked.items.value_or(0), limit = parked.limit.value_or(0);
  switch (parked.on) {
    case ParkedOn::queue_get:
    case ParkedOn::receive:
      return !parked.items ? "" : items == 0 ? "which is empty" : fmt::format("which has {}", items);
    case ParkedOn::queue_put:
    case ParkedOn::send: return !parked.items ? "" : fmt::format("which has {} of {}", items, limit);
    case ParkedOn::queue_join: return !parked.items ? "" : fmt::format("with {} unfinished", items);
    case ParkedOn::event: return parked.available == true ? "which is set" : "which is not set";
    case ParkedOn::lock: return lock_words(loop, parked);
    case ParkedOn::semaphore: return parked.available == true ? "which has room" : "which has none left";
    default: return parked.available == true ? "which is done" : "";
  }
}

std::string memory_channel(const facts::ParkedFacts& parked) {
  return fmt::format("{} at {}", parked.type.starts_with("anyio.") ? "anyio memory stream" : "trio channel",
                     RemoteAddr(parked.object).hex());
}

}  // namespace

std::string parked_words(const LoopFacts& loop, const facts::TaskFacts& task) {
  using facts::ParkedOn;
  const auto& parked = task.parked;
  const auto thing = fmt::format("{} at {}", parked.type.empty() ? "object" : short_type(parked.type),
                                 RemoteAddr(parked.object).hex());
  const auto state = state_words(loop, parked);
  const auto with_state = [&](const std::string& words) { return state.empty() ? words : words + ", " + state; };
  switch (parked.on) {
    case ParkedOn::unknown: return task.waits_on;
    case ParkedOn::nothing: return "nothing: it is about to run";
    case ParkedOn::timer: return "a timer";
    case ParkedOn::fd:
      return parked.fd ? fmt::format("fd {}{}", *parked.fd, parked.writing == true ? ", for writing" : "") : "a socket";
    case ParkedOn::future: return with_state("the result of the " + thing);
    case ParkedOn::tasks: {
      const auto names = task_names(loop, parked.tasks);
      return names.empty() ? "tasks that have ended" : "task " + names;
    }
    case ParkedOn::receive: return with_state(fmt::format("an item of the {}", memory_channel(parked)));
    case ParkedOn::send: return with_state(fmt::format("a receiver of the {}", memory_channel(parked)));
    case ParkedOn::queue_get: return with_state("an item of the " + thing);
    case ParkedOn::queue_put: return with_state("room in the " + thing);
    case ParkedOn::queue_join: return with_state("the end of the work in the " + thing);
    case ParkedOn::event:
    case ParkedOn::lock:
    case ParkedOn::semaphore: return with_state("the " + thing);
    case ParkedOn::condition:
    case ParkedOn::barrier: return "the " + thing;
    case ParkedOn::thread: return "a call in another thread";
    case ParkedOn::process:
      return parked.pid ? fmt::format("the end of process {}", *parked.pid) : "the end of a child";
    case ParkedOn::forever: return "nothing: it sleeps for ever";
  }
  return {};
}

const facts::FrameFacts* parked_frame(const LoopFacts& loop) {
  const auto* task = parked_task(loop);
  return task == nullptr ? nullptr : user_frame(task->frames);
}

std::string task_label(const LoopFacts& loop) {
  const auto* task = parked_task(loop);
  const auto* frame = parked_frame(loop);
  if (task == nullptr || frame == nullptr) return {};
  const auto words = parked_words(loop, *task);
  return fmt::format("task {}, parked at {}{}", task->name, frame_label(*frame), words.empty() ? "" : ", on " + words);
}

}  // namespace hang::verdict
