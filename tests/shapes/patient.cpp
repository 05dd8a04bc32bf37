#include "shapes/patient.h"

#include <stdexcept>

#include "facts/json.h"

namespace hang::test {

using facts::FdType;
using facts::LoopFacts;
using facts::WaitKind;

namespace {

constexpr std::uint64_t kMain = 100, kCond = 0x7000, kCondSize = 48;

std::uint64_t state_address(std::uint64_t tid, std::int64_t interpreter) {
  return 0x100000 + tid * 0x1000 + static_cast<std::uint64_t>(interpreter);
}

facts::Wait endless_epoll() {
  facts::Wait wait;
  wait.kind = WaitKind::epoll;
  wait.syscall = 232;
  wait.name = "epoll_wait";
  wait.fd = 5;
  wait.timeout_ms = -1;
  return wait;
}

}  // namespace

facts::Wait endless_futex(std::uint64_t word) {
  facts::Wait wait;
  wait.kind = WaitKind::futex;
  wait.syscall = 202;
  wait.name = "futex";
  wait.futex = word;
  wait.timeout_ms = -1;
  return wait;
}

Patient::Patient() {
  snapshot_.target.pid = kMain;
  snapshot_.target.exe = "/usr/bin/python3";
  auto& process = snapshot_.kernel.process;
  process.state = 'S';
  process.sig_ign = 0;
  process.sig_cgt = 2;
  process.shd_pnd = 0;
  process.tracer_pid = 0;
  snapshot_.kernel.fds_known = true;
  facts::FdFacts set;
  set.fd = 5;
  set.type = FdType::epoll;
  snapshot_.kernel.fds.push_back(set);
  auto& python = snapshot_.python.emplace();
  python.version = "3.13.0";
  python.main_tid = kMain;
  facts::InterpreterFacts main;
  main.is_main = true;
  main.gil = 0;
  python.interpreters.push_back(main);
  facts::GilFacts gil;
  gil.address = 0x6000;
  gil.locked = false;
  gil.last_holder = state_address(kMain, 0);
  gil.switch_number = 7;
  gil.cond = kCond;
  gil.cond_size = kCondSize;
  gil.interpreters = {0};
  gil.drop_request_seen_by_holder = true;
  python.gils.push_back(gil);
  python.signals.wakeup_fd = -1;
  python.signals.is_tripped = false;
  python.signals.sigint_tripped = false;
  python.signals.sigint_handler = facts::HandlerKind::default_int_handler;
  python_thread(kMain, "MainThread");
  thread(kMain).wait = endless_epoll();
  state(kMain).daemon = false;
}

facts::ThreadFacts& Patient::thread(std::uint64_t tid) {
  for (auto& thread : snapshot_.threads)
    if (thread.tid == tid) return thread;
  throw std::logic_error("no such thread");
}

facts::ThreadStateFacts& Patient::state(std::uint64_t tid, std::int64_t interpreter) {
  for (auto& state : snapshot_.python->thread_states)
    if (state.address == state_address(tid, interpreter)) return state;
  throw std::logic_error("no such thread state");
}

Patient& Patient::interpreter(std::int64_t id, int gil) {
  auto& python = *snapshot_.python;
  facts::InterpreterFacts interpreter;
  interpreter.id = id;
  interpreter.legacy = gil >= 0;
  interpreter.shares_main_gil = gil == 0;
  if (gil < 0) {
    gil = static_cast<int>(python.gils.size());
    facts::GilFacts own = python.gils.front();
    own.address = 0x6000 + 0x1000 * static_cast<std::uint64_t>(gil);
    own.cond = own.address + 0x100;
    own.interpreters.clear();
    python.gils.push_back(own);
  }
  interpreter.gil = gil;
  python.gils[gil].interpreters.push_back(id);
  python.interpreters.insert(python.interpreters.begin(), interpreter);
  return *this;
}

Patient& Patient::python_thread(std::uint64_t tid, const std::string& name, std::int64_t interpreter) {
  facts::ThreadFacts thread;
  thread.tid = tid;
  thread.comm = "python3";
  thread.state = 'S';
  thread.sig_blk = 0;
  thread.cpu_ns = 30'000'000;
  thread.wait = endless_futex(0x900000 + tid);
  snapshot_.threads.push_back(thread);
  facts::ThreadStateFacts state;
  state.address = state_address(tid, interpreter);
  state.interpreter = interpreter;
  state.tid = tid;
  state.name = name;
  state.daemon = true;
  state.frames.push_back({0x500000 + tid, "work", "/srv/app/scan.py", 88, true, 0x1, {}});
  snapshot_.python->thread_states.push_back(state);
  return *this;
}

Patient& Patient::hog(std::uint64_t tid, std::int64_t interpreter, int index) {
  gil(index).locked = true;
  gil(index).last_holder = state(tid, interpreter).address;
  state(tid, interpreter).at_call = true;
  auto& running = thread(tid);
  running.state = 'R';
  running.wait = {};
  running.wait.kind = WaitKind::none;
  running.cpu_ns = 12'000'000'000;
  return *this;
}

Patient& Patient::wants_gil(std::uint64_t tid, int index) {
  thread(tid).wait = endless_futex(gil(index).cond + 8);
  thread(tid).wait.timeout_ms = 4;
  return *this;
}

Patient& Patient::tripped() {
  auto& signals = snapshot_.python->signals;
  signals.is_tripped = true;
  signals.sigint_tripped = true;
  signals.tripped = {2};
  return *this;
}

Patient& Patient::watched(double ms) {
  auto& watch = snapshot_.watch;
  watch = {};
  watch.ms = ms;
  for (const auto& thread : snapshot_.threads) {
    const bool running = thread.wait.kind == WaitKind::none;
    watch.threads.push_back(
        {thread.tid, running ? static_cast<std::uint64_t>(ms * 1e6) : 0, 0, 0, 12, running ? 12 : 0, false, 0, {}});
  }
  for (const auto& state : snapshot_.python->thread_states) watch.states.push_back({state.address, 12, 0});
  for (std::size_t i = 0; i < snapshot_.python->gils.size(); ++i)
    watch.gils.push_back({static_cast<int>(i), 12, gil(static_cast<int>(i)).locked == true ? 12 : 0, 0, 0});
  return *this;
}

LoopFacts& Patient::loop(std::uint64_t tid, facts::LoopKind kind, std::int64_t ms) {
  thread(tid).wait = endless_epoll();
  thread(tid).wait.timeout_ms = ms;
  LoopFacts loop;
  loop.kind = kind;
  loop.tid = tid;
  loop.tstate = snapshot_.python->thread_states.front().address;
  for (const auto& state : snapshot_.python->thread_states) {
    if (state.tid != tid) continue;
    loop.tstate = state.address;
    loop.interpreter = state.interpreter;
  }
  loop.object = 0x800000;
  loop.in_selector = true;
  loop.ready = 0;
  loop.scheduled = ms < 0 ? 0 : 1;
  loop.wakers_searched = true;
  loop.epfd = 5;
  loop.own_fds = {5};
  facts::TaskFacts task;
  task.name = "Task-1";
  task.main = true;
  task.frames.push_back({0x600000, "consume", "/srv/app/app.py", 12, false, 0x2, {}});
  loop.tasks.push_back(task);
  loop.tasks_known = true;
  snapshot_.python->loops.push_back(loop);
  return snapshot_.python->loops.back();
}

Patient& Patient::socketpair(int watched, int other) {
  auto& fds = snapshot_.kernel.fds;
  for (auto [fd, peer] : {std::pair{watched, other}, std::pair{other, watched}}) {
    facts::FdFacts facts;
    facts.fd = fd;
    facts.type = FdType::unix_socket;
    facts.inode = static_cast<std::uint64_t>(1000 + fd);
    auto& socket = facts.unix_socket.emplace();
    socket.inode = facts.inode;
    socket.type = "stream";
    socket.state = "established";
    socket.peer_inode = static_cast<std::uint64_t>(1000 + peer);
    socket.peer_holders.push_back({kMain, peer, "python3", true, true});
    socket.holders_complete = true;
    socket.rqueue = 0;
    fds.push_back(facts);
  }
  fds.front().epoll.push_back({watched, 1, static_cast<std::uint64_t>(1000 + watched)});
  return *this;
}

Patient& Patient::listening(int fd) {
  facts::FdFacts facts;
  facts.fd = fd;
  facts.type = FdType::inet_socket;
  auto& socket = facts.inet.emplace();
  socket.protocol = "tcp";
  socket.local = "127.0.0.1:8080";
  socket.state = "LISTEN";
  snapshot_.kernel.fds.push_back(facts);
  snapshot_.kernel.fds.front().epoll.push_back({fd, 1, 0});
  return *this;
}

facts::Snapshot through_json(const facts::Snapshot& snapshot) {
  auto read = facts::from_json_text(facts::to_json_text(snapshot));
  if (!read) throw std::logic_error(read.error().describe());
  return *read;
}

}  // namespace hang::test
