#include "verdict/wait_graph.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "verdict/graph_builder.h"

namespace hang::verdict {

using facts::Wait;
using facts::WaitKind;

bool is_endless(const Wait& wait) {
  if (!wait.timeout_ms) return false;
  if (*wait.timeout_ms < 0) return true;
  // Only a loop's selector is given the cap; the argument is relative, so it is seen in full however long ago.
  const bool selector = wait.kind == WaitKind::epoll || wait.kind == WaitKind::poll || wait.kind == WaitKind::select;
  return selector && *wait.timeout_ms >= kNothingScheduledMs;
}

bool wakes_soon(const Waiting& waiting) {
  constexpr double kSoonMs = 1000;
  return waiting.waker == Waker::timer && waiting.wakes_in_ms.value_or(0) <= kSoonMs;
}

bool is_turning(const Waiting& waiting) {
  return waiting.on.size() == 1 && waiting.on.front().waker == Waker::running && waiting.on.front().fd < 0;
}

bool has_near_date(const Waiting& waiting) {
  constexpr double kFarMs = 2.0 * 3600 * 1000;
  return waiting.waker == Waker::timer && waiting.wakes_in_ms.value_or(0) <= kFarMs;
}

namespace {

bool frame_is(const facts::FrameFacts& frame, std::string_view file, std::string_view function) {
  return frame.file.ends_with(file) && frame.function == function;
}

bool is_anyio_worker(const facts::FrameFacts& frame) {
  return frame_is(frame, "anyio/_backends/_asyncio.py", "WorkerThread.run");
}

// Index of the frame that runs jobs in a pool worker, or -1.
int pool_frame(const std::vector<facts::FrameFacts>& frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (frame_is(frames[i], "concurrent/futures/thread.py", "_worker") ||
        frame_is(frames[i], "trio/_core/_thread_cache.py", "WorkerThread._work") || is_anyio_worker(frames[i]) ||
        frame_is(frames[i], "multiprocessing/pool.py", "worker"))
      return static_cast<int>(i);
  }
  return -1;
}

Waker waker_of(End end) {
  switch (end) {
    case End::unknown: return Waker::unknown;
    case End::gone:
    case End::this_process:
    case End::never: return Waker::none;
    case End::other_process:
    case End::outside:
    case End::listening:
    case End::human: return Waker::outside;
    case End::timer: return Waker::timer;
    case End::signal: return Waker::signal;
    case End::ready: return Waker::running;
  }
  return Waker::unknown;
}

// A selector asked not to wait: a loop with callbacks that are ready turns like this, and is caught in it now and then.
bool only_looks(const Wait& wait) {
  const bool selector = wait.kind == WaitKind::epoll || wait.kind == WaitKind::poll || wait.kind == WaitKind::select;
  return selector && wait.timeout_ms == 0;
}

// A read or write of the loop's own wakeup pair, which never blocks (asyncio/unix_events.py, trio's
// _wakeup_socketpair.py). A core catches a loop in it that turns without end (L8).
bool drains_itself(const Process& process, std::uint64_t tid, const Wait& wait) {
  const auto* loop = process.loop_of(tid);
  const bool reads = wait.kind == WaitKind::read || wait.kind == WaitKind::recv || wait.kind == WaitKind::write ||
                     wait.kind == WaitKind::send;
  return loop != nullptr && reads && wait.fd &&
         std::find(loop->own_fds.begin(), loop->own_fds.end(), *wait.fd) != loop->own_fds.end();
}

void add_timer(const Wait& wait, Waiting& waiting) {
  if (!wait.timeout_ms || is_endless(wait)) return;
  waiting.wakes_in_ms = static_cast<double>(*wait.timeout_ms);
  waiting.on.push_back({fmt::format("a timer, {}", duration(*waiting.wakes_in_ms)),
                        fmt::format("timeout of {}", wait.name), Waker::timer});
}

}  // namespace

bool is_idle_pool_worker(const facts::ThreadStateFacts& state) {
  const auto& frames = state.frames;
  const int at = pool_frame(frames);
  // The wait for work is a C call of the worker function itself (SimpleQueue.get, Lock.acquire) or of its queue.
  if (at < 0) return false;
  // anyio's worker waits in its queue's get(), which is Python: with nothing inside of run() it runs a C function.
  if (at == 0) return !is_anyio_worker(frames[at]);
  const auto& inside = frames[at - 1];
  if (frame_is(inside, "/queue.py", "Queue.get") && is_anyio_worker(frames[at])) return state.pool != 0;
  return at == 1 && inside.file.ends_with("multiprocessing/queues.py");
}

bool is_busy_pool_worker(const facts::ThreadStateFacts& state) {
  return pool_frame(state.frames) >= 0 && !is_idle_pool_worker(state);
}

std::string gil_label(const Process& process, int gil) {
  std::vector<std::int64_t> others;
  const auto* main = process.main_interpreter();
  for (auto id : process.python().gils[gil].interpreters)
    if (main == nullptr || id != main->id) others.push_back(id);
  if (process.main_gil() != gil) return fmt::format("GIL {} (of interpreter {})", gil, fmt::join(others, ", "));
  if (others.empty()) return "the GIL";
  std::sort(others.begin(), others.end());
  if (others.size() > 4) return fmt::format("GIL {} (shared by the main and {} more interpreters)", gil, others.size());
  return fmt::format("GIL {} (shared with interpreter{} {})", gil, others.size() == 1 ? "" : "s",
                     fmt::join(others, ", "));
}

WaitGraph::WaitGraph(const Process& process, std::vector<GilGrip> grips)
    : process_(&process), grips_(std::move(grips)) {
  for (auto tid : process.python_tids()) threads_.emplace(tid, resolve(tid));
  for (const auto& thread : process.facts().threads)
    if (!threads_.contains(thread.tid)) threads_.emplace(thread.tid, resolve(thread.tid));
  graph_ = build_graph(process, *this);
}

const Waiting& WaitGraph::waiting(std::uint64_t tid) const {
  auto it = threads_.find(tid);
  return it == threads_.end() ? missing_ : it->second;
}

bool WaitGraph::main_gets_gil() const {
  const int gil = process_->main_gil();
  if (gil < 0) return false;
  const auto& grip = grips_[gil];
  if (grip.grip == Grip::free || grip.grip == Grip::passing) return true;
  if (grip.grip != Grip::held) return false;
  return (grip.watched_ms > 0 && !grip.doubtful) || grip.holder->tid == process_->main_tid();
}

std::vector<std::uint64_t> WaitGraph::alive_besides(std::uint64_t tid) const {
  std::vector<std::uint64_t> alive;
  for (auto other : process_->python_tids()) {
    const auto& waiting = this->waiting(other);
    if (other != tid && !waiting.pool_idle && waiting.waker <= Waker::unknown) alive.push_back(other);
  }
  return alive;
}

WaitsFor WaitGraph::resolve_fd(int fd, bool for_reading, const std::string& how) const {
  const auto end = other_end(*process_, fd, for_reading);
  WaitsFor on{fmt::format("fd {}: {}", fd, end.words), how, waker_of(end.end)};
  on.fd = fd;
  on.end = end.end;
  return on;
}

namespace {

WaitsFor own_wakeup(int fd, const Wait& wait) {
  return {fmt::format("fd {}: its own wakeup socket", fd), wait.name, Waker::none, -1, fd, End::never};
}

// What only the loop's own map says of a descriptor.
WaitsFor watched_fd(const facts::WatchedFd& one, const Wait& wait) {
  if (!one.accepts) return {fmt::format("fd {}", one.fd), wait.name, Waker::unknown, -1, one.fd, End::unknown};
  return {fmt::format("fd {}: a socket on which the loop accepts connections", one.fd),
          wait.name,
          Waker::outside,
          -1,
          one.fd,
          End::listening};
}

}  // namespace

// epoll, poll, select: any of several descriptors.
void WaitGraph::resolve_many(const Wait& wait, Waiting& waiting) const {
  const auto& facts = process_->facts();
  const auto* loop = process_->loop_of(waiting.tid);
  auto is_own = [&](int fd) {
    return loop != nullptr && std::find(loop->own_fds.begin(), loop->own_fds.end(), fd) != loop->own_fds.end();
  };
  std::vector<std::pair<int, bool>> watched;  // fd, for reading
  if (wait.kind == WaitKind::epoll) {
    const auto* set = wait.fd ? facts.fd(*wait.fd) : nullptr;
    const bool known = set != nullptr && facts.kernel.fds_known;
    if (!known && loop != nullptr && loop->watched && loop->epfd && loop->epfd == wait.fd) {
      for (const auto& one : *loop->watched)
        waiting.on.push_back(is_own(one.fd) ? own_wakeup(one.fd, wait) : watched_fd(one, wait));
      return;
    }
    if (!known) {
      waiting.on.push_back({fmt::format("epoll set {}", wait.fd.value_or(-1)), wait.name, Waker::unknown});
      return;
    }
    constexpr std::uint32_t kInOrOut = 0x1 | 0x2 | 0x4 | 0x2000;  // EPOLLIN PRI OUT RDHUP: a disarmed one-shot has none
    for (const auto& entry : set->epoll)
      if ((entry.events & kInOrOut) != 0) watched.emplace_back(entry.fd, (entry.events & 0x3) != 0);
  } else {
    for (int fd : wait.fds) watched.emplace_back(fd, true);
  }
  for (auto [fd, for_reading] : watched) {
    waiting.on.push_back(is_own(fd) ? own_wakeup(fd, wait) : resolve_fd(fd, for_reading, wait.name));
  }
}

WaitsFor WaitGraph::resolve_futex(std::uint64_t tid, const Wait& wait) const {
  WaitsFor on{"a lock", fmt::format("futex {}", RemoteAddr(wait.futex.value_or(0)).hex()),
              wait.timeout_ms ? Waker::none : Waker::unknown};
  if (const auto* native = process_->native_lock_of(tid)) {
    on.what = fmt::format("the {} at {}", native->kind, RemoteAddr(native->futex).hex());
  } else if (const auto* lock = process_->lock_of(tid)) {
    on.what = lock->name.empty() ? fmt::format("the {} at {}", lock->type, RemoteAddr(lock->object).hex())
                                 : fmt::format("the lock {}", lock->name);
  } else if (const auto* closed = process_->closes(tid)) {
    on.what = fmt::format("the end of interpreter {}", closed->id);
  } else if (tid == process_->main_tid() && process_->main_exits()) {
    on.what = "the end of the program's threads";
  } else if (const auto joined = process_->joins(tid); joined != 0) {
    on.what = fmt::format("the end of {}", process_->thread_label(joined));
  } else if (const auto& awaited = process_->awaited(tid); !awaited.empty()) {
    on.what = awaited_label(*awaited.front());
    if (awaited.size() > 1) on.what += fmt::format(" and {} more", awaited.size() - 1);
  }
  return on;
}

// How it is known that the thread waits for that GIL.
std::string WaitGraph::gil_evidence(const facts::ThreadFacts& thread, int index) const {
  if (thread.takes_gil || !thread.wait.futex) return "it is in take_gil(), by its native stack or its futex call";
  const auto& gil = process_->python().gils[index];
  const RemoteAddr word(*thread.wait.futex);
  return fmt::format("futex {} inside gil->{}", word.hex(),
                     word.within(RemoteAddr(gil.cond), gil.cond_size) ? "cond" : "mutex");
}

Waiting WaitGraph::resolve(std::uint64_t tid) const {
  Waiting waiting;
  waiting.tid = tid;
  const auto* thread = process_->thread(tid);
  if (thread == nullptr) return waiting;
  if (const auto* state = process_->current_state(tid)) waiting.pool_idle = is_idle_pool_worker(*state);
  const auto& wait = thread->wait;
  if (auto gil = process_->waits_for_gil(tid)) {
    waiting.on.push_back({gil_label(*process_, *gil), gil_evidence(*thread, *gil), Waker::running, *gil});
    waiting.waker = Waker::running;
    return waiting;
  }
  if (only_looks(wait) || drains_itself(*process_, tid, wait)) {
    waiting.on.push_back({"nothing: it does not wait in this call", wait.name, Waker::running});
    waiting.waker = Waker::running;
    return waiting;
  }
  switch (wait.kind) {
    case WaitKind::none: waiting.on.push_back({"nothing: it runs", "not in a system call", Waker::running}); break;
    case WaitKind::futex: waiting.on.push_back(resolve_futex(tid, wait)); break;
    case WaitKind::epoll:
    case WaitKind::poll:
    case WaitKind::select: resolve_many(wait, waiting); break;
    case WaitKind::read:
    case WaitKind::recv:
    case WaitKind::accept:
    case WaitKind::connect: waiting.on.push_back(resolve_fd(wait.fd.value_or(-1), true, wait.name)); break;
    case WaitKind::write:
    case WaitKind::send: waiting.on.push_back(resolve_fd(wait.fd.value_or(-1), false, wait.name)); break;
    case WaitKind::wait_child:
      waiting.on.push_back({wait.pid.value_or(-1) > 0 ? fmt::format("the end of child process {}", *wait.pid)
                                                      : "the end of a child process",
                            wait.name, Waker::outside, -1, -1, End::other_process});
      break;
    case WaitKind::signal: waiting.on.push_back({"a signal", wait.name, Waker::signal}); break;
    case WaitKind::nanosleep:
      if (!wait.timeout_ms) waiting.on.push_back({"a timer", wait.name, Waker::timer});
      break;
    case WaitKind::other:
    case WaitKind::unknown:
      waiting.on.push_back({"something this version does not know", wait.name, Waker::unknown});
      break;
  }
  add_timer(wait, waiting);
  waiting.waker = Waker::none;
  for (const auto& on : waiting.on) waiting.waker = std::min(waiting.waker, on.waker);
  return waiting;
}

std::optional<std::size_t> WaitGraph::node_of(std::uint64_t tid) const {
  return graph_.find(NodeKind::thread, std::to_string(tid));
}

std::optional<std::size_t> WaitGraph::node_of_task(std::uint64_t object) const {
  return graph_.find(NodeKind::task, RemoteAddr(object).hex());
}

std::vector<PathEdge> WaitGraph::task_path(std::uint64_t object) const {
  constexpr std::size_t kMost = 30;
  std::vector<PathEdge> path;
  if (const auto node = node_of_task(object))
    for (const auto edge : graph_.walk(*node))
      if (path.size() < kMost) path.push_back(path_edge(edge));
  return path;
}

PathEdge WaitGraph::path_edge(std::size_t index) const {
  const auto& edge = graph_.edges()[index];
  const auto& to = graph_.nodes()[edge.to];
  PathEdge path{
      graph_.nodes()[edge.from].label, edge.verb.empty() ? to.label : edge.verb + " " + to.label, {}, edge.seen};
  if (!edge.evidence.empty()) path.evidence.push_back(edge.evidence);
  return path;
}

std::vector<PathEdge> WaitGraph::path(std::uint64_t tid) const {
  std::vector<PathEdge> path;
  if (const auto node = node_of(tid))
    for (const auto edge : graph_.walk(*node)) path.push_back(path_edge(edge));
  return path;
}

std::vector<std::size_t> WaitGraph::deadlock_of(std::uint64_t tid) const {
  const auto node = node_of(tid);
  const auto on = node ? graph_.leads_to_cycle(*node) : std::nullopt;
  return on ? graph_.cycle_through(*on) : std::vector<std::size_t>{};
}

}  // namespace hang::verdict
