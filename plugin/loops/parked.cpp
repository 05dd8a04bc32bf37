// The primitives of asyncio (Lib/asyncio/locks.py, queues.py, tasks.py, taskgroups.py, streams.py, selector_events.py,
// base_subprocess.py; 3.11 to 3.15) and trio (_channel.py, _sync.py, _timeouts.py, _threads.py, _core/_run.py,
// _core/_io_epoll.py; 0.22 to 0.34), and those that anyio has of its own (streams/memory.py, _core/_synchronization.py,
// _backends/_asyncio.py; 4.8 and 4.15), recognised by the frames in which they wait.
#include "loops/parked.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_set>

#include "cpython/readers.h"
#include "loops/frameworks.h"

namespace hang::loops {

using cpython::Python;
using facts::ParkedOn;

namespace {

constexpr std::size_t kMaxWaited = 1'000'000;  // tasks that one task waits for

class ParkedReader {
 public:
  ParkedReader(Python& python, RemoteAddr future, facts::TaskFacts& task)
      : python_(python), objects_(python.objects()), future_(future), task_(task), parked_(task.parked) {}

  void run();

 private:
  // Reads what the frame `at` with its `self` (NULL if it has none) waits for.
  using Read = void (ParkedReader::*)(RemoteAddr at, RemoteAddr self);
  struct Primitive {
    std::string_view file, function;  // ends of co_filename and co_qualname
    ParkedOn on;
    Read read;
    bool made_of_another = false;  // the wait is that of a primitive inside of it
  };
  static const std::array<Primitive, 45> kPrimitives;

  static const Primitive* primitive_of(const facts::FrameFacts& frame);
  void primitive(RemoteAddr self) {
    parked_.object = self.raw();
    parked_.type = objects_.qualified_type_name(self).value_or("");
  }
  std::optional<std::int64_t> number(RemoteAddr object, const char* attribute) {
    auto value = objects_.attribute(object, attribute);
    return value ? objects_.integer(*value).to_optional() : std::nullopt;
  }
  void add_tasks(Result<RemoteAddr> container);
  bool read_future();
  void read_done();

  void nothing(RemoteAddr, RemoteAddr) {}
  void asyncio_queue(RemoteAddr at, RemoteAddr self);
  void asyncio_event(RemoteAddr at, RemoteAddr self);
  void asyncio_lock(RemoteAddr at, RemoteAddr self);
  void semaphore(RemoteAddr at, RemoteAddr self);
  void plain(RemoteAddr, RemoteAddr self) { primitive(self); }
  void task_group(RemoteAddr, RemoteAddr self) { add_tasks(objects_.attribute(self, "_tasks")); }
  void wait(RemoteAddr at, RemoteAddr self);
  void wait_for(RemoteAddr at, RemoteAddr self);
  void stream_reader(RemoteAddr at, RemoteAddr self);
  void drain(RemoteAddr at, RemoteAddr self);
  void loop_socket(RemoteAddr at, RemoteAddr self);
  void subprocess(RemoteAddr at, RemoteAddr self);
  void channel(RemoteAddr at, RemoteAddr self);
  void trio_event(RemoteAddr at, RemoteAddr self);
  void trio_lock(RemoteAddr, RemoteAddr self) { owned_lock(self, "_owner"); }
  void anyio_lock(RemoteAddr, RemoteAddr self) { owned_lock(self, "_owner_task"); }
  void owned_lock(RemoteAddr self, const char* owner);
  void limiter(RemoteAddr at, RemoteAddr self);
  void nursery(RemoteAddr, RemoteAddr self) { add_tasks(objects_.attribute(self, "_children")); }
  void epoll_wait(RemoteAddr at, RemoteAddr self);
  void trio_process(RemoteAddr at, RemoteAddr self);

  Python& python_;
  cpython::Objects objects_;
  RemoteAddr future_;
  facts::TaskFacts& task_;
  facts::ParkedFacts& parked_;
};

using P = ParkedReader;
const std::array<P::Primitive, 45> P::kPrimitives{{
    {"asyncio/queues.py", "Queue.get", ParkedOn::queue_get, &P::asyncio_queue},
    {"asyncio/queues.py", "Queue.put", ParkedOn::queue_put, &P::asyncio_queue},
    {"asyncio/queues.py", "Queue.join", ParkedOn::queue_join, &P::asyncio_queue, true},
    {"asyncio/locks.py", "Event.wait", ParkedOn::event, &P::asyncio_event},
    {"asyncio/locks.py", "Condition.wait", ParkedOn::condition, &P::plain},
    {"asyncio/locks.py", "Lock.acquire", ParkedOn::lock, &P::asyncio_lock},
    {"asyncio/locks.py", "Semaphore.acquire", ParkedOn::semaphore, &P::semaphore},
    {"asyncio/locks.py", "Barrier.wait", ParkedOn::barrier, &P::plain, true},
    {"asyncio/locks.py", "Barrier._wait", ParkedOn::barrier, &P::plain, true},
    {"asyncio/taskgroups.py", "TaskGroup.__aexit__", ParkedOn::tasks, &P::task_group},
    {"asyncio/taskgroups.py", "TaskGroup._aexit", ParkedOn::tasks, &P::task_group},
    {"asyncio/tasks.py", "_wait", ParkedOn::tasks, &P::wait},
    {"asyncio/tasks.py", "wait_for", ParkedOn::tasks, &P::wait_for},
    {"asyncio/tasks.py", "sleep", ParkedOn::timer, &P::nothing},
    {"asyncio/streams.py", "StreamReader._wait_for_data", ParkedOn::fd, &P::stream_reader},
    {"asyncio/streams.py", "FlowControlMixin._drain_helper", ParkedOn::fd, &P::drain},
    {"asyncio/selector_events.py", ".sock_recv", ParkedOn::fd, &P::loop_socket},
    {"asyncio/selector_events.py", ".sock_recv_into", ParkedOn::fd, &P::loop_socket},
    {"asyncio/selector_events.py", ".sock_recvfrom", ParkedOn::fd, &P::loop_socket},
    {"asyncio/selector_events.py", ".sock_accept", ParkedOn::fd, &P::loop_socket},
    {"asyncio/selector_events.py", ".sock_connect", ParkedOn::fd, &P::loop_socket},
    {"asyncio/selector_events.py", ".sock_sendall", ParkedOn::fd, &P::loop_socket},
    {"asyncio/base_subprocess.py", "BaseSubprocessTransport._wait", ParkedOn::process, &P::subprocess},
    {"trio/_channel.py", "MemoryReceiveChannel.receive", ParkedOn::receive, &P::channel},
    {"trio/_channel.py", "MemorySendChannel.send", ParkedOn::send, &P::channel},
    {"trio/_sync.py", "Event.wait", ParkedOn::event, &P::trio_event},
    {"trio/_sync.py", "Condition.wait", ParkedOn::condition, &P::plain},
    {"trio/_sync.py", "_LockImpl.acquire", ParkedOn::lock, &P::trio_lock},
    {"trio/_sync.py", "Semaphore.acquire", ParkedOn::semaphore, &P::semaphore},
    {"trio/_sync.py", "CapacityLimiter.acquire_on_behalf_of", ParkedOn::semaphore, &P::limiter},
    {"trio/_threads.py", "to_thread_run_sync", ParkedOn::thread, &P::nothing},
    {"trio/_timeouts.py", "sleep_forever", ParkedOn::forever, &P::nothing},
    {"trio/_timeouts.py", "sleep_until", ParkedOn::timer, &P::nothing},
    {"trio/_core/_run.py", "Nursery._nested_child_finished", ParkedOn::tasks, &P::nursery},
    {"trio/_core/_io_epoll.py", "._epoll_wait", ParkedOn::fd, &P::epoll_wait},
    {"trio/_subprocess.py", "Process.wait", ParkedOn::process, &P::trio_process},
    {"anyio/streams/memory.py", "MemoryObjectReceiveStream.receive", ParkedOn::receive, &P::channel, true},
    {"anyio/streams/memory.py", "MemoryObjectSendStream.send", ParkedOn::send, &P::channel, true},
    {"anyio/_core/_synchronization.py", "Condition.wait", ParkedOn::condition, &P::plain, true},
    {"anyio/_backends/_asyncio.py", "Lock.acquire", ParkedOn::lock, &P::anyio_lock},
    {"anyio/_backends/_asyncio.py", "Semaphore.acquire", ParkedOn::semaphore, &P::semaphore},
    {"anyio/_backends/_asyncio.py", ".acquire_on_behalf_of", ParkedOn::semaphore, &P::limiter, true},
    {"anyio/_backends/_asyncio.py", "TaskGroup.__aexit__", ParkedOn::tasks, &P::task_group},
    {"anyio/_backends/_asyncio.py", ".run_sync_in_worker_thread", ParkedOn::thread, &P::nothing},
    {"trio/_core/_parking_lot.py", "ParkingLot.park", ParkedOn::unknown, nullptr},  // the frame outside of it tells
}};

bool is_framework(const std::string& file) {
  return file.find("asyncio/") != std::string::npos || file.find("/trio/") != std::string::npos ||
         file.find("outcome/") != std::string::npos || file.find("/anyio/") != std::string::npos;
}

// The tasks among a list, a set, a tuple or the keys of a dict of tasks and futures.
void P::add_tasks(Result<RemoteAddr> container) {
  if (!container) return;
  auto items = objects_.items(*container);
  if (!items) return;
  for (auto item : *items)
    if (parked_.tasks.size() < kMaxWaited) parked_.tasks.push_back(item.raw());
}

// A wait in no primitive: for a task, for gather(), or for a bare future.
bool P::read_future() {
  if (!future_) return false;
  parked_.object = future_.raw();
  parked_.type = task_.waits_on;
  read_done();
  if (parked_.type.ends_with("_GatheringFuture")) {
    parked_.on = ParkedOn::tasks;
    add_tasks(objects_.attribute(future_, "_children"));
  } else if (parked_.type.ends_with("Task")) {
    parked_.on = ParkedOn::tasks;
    parked_.tasks.push_back(future_.raw());
  } else {
    parked_.on = ParkedOn::future;
  }
  return true;
}

// asyncio.wait, and wait_for of 3.11, which waits for the one that it wraps.
void P::wait(RemoteAddr at, RemoteAddr) {
  add_tasks(python_.local(at, "fs"));
  auto when = python_.local(at, "return_when");
  if (!when) return;
  if (auto text = objects_.str(*when)) parked_.any = *text != "ALL_COMPLETED";
}

void P::wait_for(RemoteAddr at, RemoteAddr) {
  if (auto waiter = python_.local(at, "waiter"); !waiter || !*waiter) return;
  if (auto inner = python_.local(at, "fut"); inner && *inner) parked_.tasks.push_back(inner->raw());
}

// Whether a future is done: then its callback should have made the task run.
void P::read_done() {
  const auto& type = task_.waits_on;
  if (type == "asyncio.futures.Future" || type == "asyncio.tasks.Task") {
    // Pending is the class's default; an instance has the attribute once it is something else.
    auto state = objects_.attribute(future_, "_state");
    parked_.available = state.ok() && !objects_.equals(*state, "PENDING").value_or(true);
  } else if (type == "_asyncio.Future" || type == "_asyncio.Task") {
    // FutureObj_HEAD begins both (Modules/_asynciomodule.c).
    if (auto state = python_.reader().number("TaskObj", "task_state", future_)) parked_.available = *state != 0;
  }
}

void P::asyncio_queue(RemoteAddr, RemoteAddr self) {
  primitive(self);
  parked_.items = length_of(python_, self, "_queue");
  parked_.limit = number(self, "_maxsize");
  if (parked_.on == ParkedOn::queue_join) {
    if (auto unfinished = number(self, "_unfinished_tasks")) {
      parked_.items = unfinished;
      parked_.available = *unfinished == 0;
    }
  } else if (parked_.items && parked_.limit) {
    parked_.available =
        parked_.on == ParkedOn::queue_get ? *parked_.items > 0 : *parked_.limit <= 0 || *parked_.items < *parked_.limit;
  }
}

void P::asyncio_event(RemoteAddr, RemoteAddr self) {
  primitive(self);
  parked_.available = flag_of(python_, self, "_value");
}

void P::asyncio_lock(RemoteAddr, RemoteAddr self) {
  primitive(self);
  if (auto locked = flag_of(python_, self, "_locked")) parked_.available = !*locked;
}

void P::semaphore(RemoteAddr, RemoteAddr self) {
  primitive(self);
  if (auto value = number(self, "_value")) parked_.available = *value > 0;
}

void P::limiter(RemoteAddr, RemoteAddr self) {
  primitive(self);
  const auto borrowed = length_of(python_, self, "_borrowers");
  const auto total = number(self, "_total_tokens");  // math.inf is no int: not known then
  if (borrowed && total) parked_.available = *borrowed < *total;
}

void P::stream_reader(RemoteAddr, RemoteAddr self) {
  primitive(self);
  parked_.fd = fd_of(python_, self, "_transport._sock");
  if (!parked_.fd)
    if (auto fd = objects_.path(self, "_transport._fileno")) parked_.fd = objects_.integer(*fd).to_optional();
  if (auto eof = flag_of(python_, self, "_eof"); eof == true) parked_.available = true;
}

void P::drain(RemoteAddr, RemoteAddr self) {
  parked_.writing = true;
  parked_.fd = fd_of(python_, self, "_transport._sock");
}

void P::loop_socket(RemoteAddr at, RemoteAddr) {
  auto sock = python_.local(at, "sock");
  if (!sock) return;
  if (auto fd = objects_.file_descriptor(*sock); fd && *fd >= 0) parked_.fd = *fd;
}

void P::subprocess(RemoteAddr, RemoteAddr self) {
  primitive(self);
  parked_.pid = number(self, "_pid");
  auto code = objects_.attribute(self, "_returncode");
  if (code && !objects_.is_none(*code)) parked_.available = true;
}

void P::channel(RemoteAddr, RemoteAddr self) {
  auto state = objects_.attribute(self, "_state");
  if (!state) return;
  primitive(*state);
  parked_.items = length_of(python_, *state, "data");                        // trio
  if (!parked_.items) parked_.items = length_of(python_, *state, "buffer");  // anyio
  parked_.limit = number(*state, "max_buffer_size");
  parked_.open_senders = number(*state, "open_send_channels");
  parked_.open_receivers = number(*state, "open_receive_channels");
  if (parked_.on == ParkedOn::receive && parked_.items) parked_.available = *parked_.items > 0;
}

void P::trio_event(RemoteAddr, RemoteAddr self) {
  primitive(self);
  parked_.available = flag_of(python_, self, "_flag");
}

void P::owned_lock(RemoteAddr self, const char* attribute) {
  primitive(self);
  auto owner = objects_.attribute(self, attribute);
  if (!owner) return;
  parked_.available = objects_.is_none(*owner);
  if (!*parked_.available) parked_.tasks.push_back(owner->raw());
}

void P::epoll_wait(RemoteAddr at, RemoteAddr) {
  auto fd = python_.local(at, "fd");
  if (fd)
    if (auto number = objects_.integer(*fd)) parked_.fd = static_cast<int>(*number);
  if (auto name = python_.local(at, "attr_name"))
    if (auto text = objects_.str(*name)) parked_.writing = *text == "write_task";
}

void P::trio_process(RemoteAddr, RemoteAddr self) {
  if (auto pid = objects_.path(self, "_proc.pid")) parked_.pid = objects_.integer(*pid).to_optional();
}

const P::Primitive* P::primitive_of(const facts::FrameFacts& frame) {
  const auto found = std::find_if(kPrimitives.begin(), kPrimitives.end(), [&](const Primitive& p) {
    return frame.file.ends_with(p.file) && frame.function.ends_with(p.function);
  });
  return found == kPrimitives.end() ? nullptr : &*found;
}

void P::run() {
  for (std::size_t i = 0; i < task_.frames.size() && is_framework(task_.frames[i].file); ++i) {
    const auto* found = primitive_of(task_.frames[i]);
    if (found == nullptr || found->read == nullptr) continue;
    // Queue.join() is made of an Event, Barrier.wait() of a Condition, anyio's streams of its Event, and that of
    // another.
    for (std::size_t j = i + 1; j < task_.frames.size() && is_framework(task_.frames[j].file); ++j)
      if (const auto* outer = primitive_of(task_.frames[j]); outer != nullptr && outer->made_of_another) {
        found = outer;
        i = j;
      }
    parked_.on = found->on;
    const RemoteAddr at(task_.frames[i].address);
    (this->*found->read)(at, python_.local(at, "self").value_or(RemoteAddr()));
    if (future_ && parked_.on != ParkedOn::tasks && !parked_.available) read_done();
    return;
  }
  if (!read_future() && task_.frames.empty()) parked_.on = ParkedOn::nothing;
}

}  // namespace

void read_parked(Python& python, RemoteAddr future, facts::TaskFacts& task) {
  ParkedReader(python, future, task).run();
}

void keep_read_tasks(facts::LoopFacts& loop) {
  constexpr std::size_t kFew = 200;
  std::unordered_set<std::uint64_t> read;
  for (const auto& task : loop.tasks) read.insert(task.object);
  for (auto& task : loop.tasks)
    if (task.parked.tasks.size() > kFew)
      std::erase_if(task.parked.tasks, [&](std::uint64_t object) { return !read.contains(object); });
}

}  // namespace hang::loops
