// Facts: the model of one process at one instant. Plain data, no reader, no opinion.
//
// Everything that could be absent is optional: a fact that was not read is not the same as a fact that is zero, and a
// rule must never decide from the former. Addresses are target addresses as raw integers (they are data here).
// The names are CPython's, the kernel's and the debugger's. The whole model writes to JSON and reads back (json.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hang::facts {

inline constexpr int kSchemaVersion = 1;

// --- where a fact comes from -----------------------------------------------------------------------------------

enum class Source { debug_offsets, dwarf, table, procfs, sock_diag, core_note, snapshot };

// One decisive read, kept so that the report can show it. `key` is what rules look it up by ("gil.0.locked",
// "signals.wakeup.fd"); `field` is CPython's or the kernel's own name for it.
struct Reading {
  std::string key, field, address, value;  // address is "" for facts without one
  Source source = Source::table;
};

// Something that could not be read, why, and which shapes it would help to decide ("S1", "L1").
struct Gap {
  std::string what, why;
  std::vector<std::string> would_decide;
};

// --- the target ------------------------------------------------------------------------------------------------

enum class TargetKind { live, core, facts, remote };

struct TargetFacts {
  TargetKind kind = TargetKind::live;
  std::uint64_t pid = 0;
  std::string exe;               // path of the executable, "" if unknown
  std::string host;              // "native", "lldb"
  std::uint64_t stopped_us = 0;  // how long we kept it stopped; 0 for reads without a stop
  bool stopped_by_host = false;  // a debugger holds it (its threads are in state t because of us)
  bool one_instant = false;      // memory and registers are of one moment; false: of a process that ran on meanwhile
  bool died = false;             // a core that the kernel wrote: a signal reached the process, so it was not stopped
};

// --- the kernel's view -----------------------------------------------------------------------------------------

// What a thread's system call waits for, decoded.
enum class WaitKind {
  none,     // not in a system call: running user code, or runnable
  unknown,  // could not be read
  futex,
  epoll,
  poll,
  select,
  nanosleep,
  read,
  write,
  accept,
  connect,
  recv,
  send,
  wait_child,
  signal,
  other
};

struct Wait {
  WaitKind kind = WaitKind::unknown;
  std::int64_t syscall = -1;           // number; -1 = not in one or unknown
  std::string name;                    // "epoll_wait"; "" if not in one
  std::vector<std::uint64_t> args;     // up to six
  std::optional<int> fd;               // epfd, read fd, ...
  std::vector<int> fds;                // poll/select: all of them
  std::optional<std::uint64_t> futex;  // futex word
  std::optional<std::int64_t> pid;     // wait_child: -1 any
  // Time until the wait gives up by itself: -1 = never; absent = not known. For absolute deadlines, what was left.
  std::optional<std::int64_t> timeout_ms;
  std::optional<std::uint64_t> signals;  // rt_sigtimedwait: those it takes, bit n-1 = signal n
};

// One function on a thread's native stack.
struct NativeFrame {
  std::uint64_t pc = 0;        // where it is, or where its callee returns to
  std::uint64_t function = 0;  // where the function begins, by its symbol or its unwind table; 0 = unknown
  std::string symbol, module;  // "" if it has no name; file name of the module
};

// One kernel thread.
struct ThreadFacts {
  std::uint64_t tid = 0;
  std::uint64_t ns_tid = 0;  // what it calls itself, in another pid namespace (a container); 0 = the same
  std::string comm;
  std::optional<char> state;  // R S D T t Z X
  Wait wait;
  std::optional<std::uint64_t> cpu_ns;  // on-CPU time since start
  std::optional<std::uint64_t> voluntary_switches, involuntary_switches;
  std::optional<std::uint64_t> sig_blk, sig_pnd;  // masks, bit n-1 = signal n
  std::optional<std::uint64_t> pc;                // where a debugger could tell
  std::string native_symbol, native_module;       // of pc; "" if unknown
  // Innermost first; of sleeping threads whose wait Python's frames do not explain. Empty = not read.
  std::vector<NativeFrame> native_frames;
  // The GIL that it is about to take, by its native stack: who waits for one wakes every 5 ms, and one sample may fall
  // into that instant.
  std::optional<int> takes_gil;
};

// The kind of what pthread_join waits for.
inline constexpr const char* kEndOfThread = "end of a thread (pthread_join)";

// A lock of native code that some thread waits for.
struct NativeLockFacts {
  std::uint64_t futex = 0;             // the word that is waited on
  std::string kind;                    // "pthread mutex", "C++ static guard", ...; "native lock" if not known
  std::optional<std::uint64_t> owner;  // tid
  bool recorded = false;               // the lock names its owner itself; false: inferred from the stacks
  std::string evidence;                // "__data.__owner = 1234", "both are inside f() of libx.so"
};

struct ChildFacts {
  std::int64_t pid = 0;
  std::string comm;
  char state = '?';
  std::int64_t ns_pid = 0;  // what its parent calls it, in another pid namespace; 0 = the same
};

struct ProcessFacts {
  std::optional<char> state;
  std::optional<std::int64_t> ppid, pgrp, session, tty_nr, tpgid, tracer_pid;
  std::optional<std::uint64_t> sig_ign, sig_cgt, shd_pnd;
  std::optional<std::uint64_t> start_ticks;  // since boot, clock ticks
  std::vector<std::string> cmdline;
  std::vector<ChildFacts> children;
};

enum class FdType {
  unknown,
  regular,
  directory,
  chr,
  tty,
  block,
  pipe,
  fifo,
  unix_socket,
  inet_socket,
  netlink_socket,
  other_socket,
  epoll,
  eventfd,
  signalfd,
  timerfd,
  pidfd,
  inotify,
  anon
};

// Somebody who has a kernel object open.
struct Holder {
  std::uint64_t pid = 0;
  int fd = -1;
  std::string comm;
  bool readable = true, writable = true;
};

struct UnixSocketFacts {
  std::uint64_t inode = 0;
  std::string type;                         // "stream", "dgram", "seqpacket"
  std::string state;                        // "established", "listen", "unconnected", ...
  std::string path;                         // bound name, "" if none
  std::optional<std::uint64_t> peer_inode;  // 0 = sock_diag says there is no peer
  std::vector<Holder> peer_holders;         // who has the other end open, this process included
  bool holders_complete = false;            // every process' fd table could be read
  bool strangers_unread = false;            // every one but those of processes that are no relatives
  std::optional<std::uint64_t> rqueue;      // stream: unread bytes; listen: waiting connections
  std::optional<std::uint64_t> wqueue;
  std::optional<std::uint64_t> wmem_alloc, sndbuf, rcvbuf;  // bytes of kernel memory, not payload
  std::optional<std::uint64_t> shutdown;                    // mask: 1 no more reads, 2 no more writes
};

struct InetSocketFacts {
  std::string protocol;       // "tcp", "tcp6", "udp", "udp6", "raw"
  std::string local, remote;  // "127.0.0.1:80"
  std::string state;          // "ESTABLISHED", "LISTEN", ... as ss prints them
  std::uint64_t rqueue = 0, wqueue = 0;
  bool peer_local = false;  // the other end is a socket of this machine
  std::vector<Holder> peer_holders;
  bool unaccepted = false;  // that end waits in a listener's queue; peer_holders are the listener's
  // TCP only (TCP_INFO, SO_KEEPALIVE): since the last data came and went, and the same segment sent again.
  std::optional<std::uint64_t> last_data_recv_ms, last_data_sent_ms, retransmits;
  std::optional<bool> keepalive;
};

struct PipeFacts {
  std::uint64_t inode = 0;
  std::optional<std::uint64_t> unread, capacity;  // bytes; absent if not permitted to ask
  std::vector<Holder> readers, writers;           // this process included
  bool holders_complete = false;
  bool strangers_unread = false;  // as for a unix socket
};

struct EpollWatch {
  int fd = -1;
  std::uint32_t events = 0;  // EPOLLIN, ...
  std::uint64_t inode = 0;
};

struct FdFacts {
  int fd = -1;
  FdType type = FdType::unknown;
  std::string target;  // readlink of /proc/PID/fd/N
  std::uint64_t inode = 0;
  bool readable = true, writable = true;
  bool cloexec = false;
  std::optional<UnixSocketFacts> unix_socket;
  std::optional<InetSocketFacts> inet;
  std::optional<PipeFacts> pipe;
  std::vector<EpollWatch> epoll;          // type epoll
  std::optional<std::int64_t> pid;        // type pidfd; -1 = that process has ended
  std::optional<std::uint64_t> timer_ms;  // type timerfd: until it fires; absent = disarmed
  std::optional<std::uint64_t> signals;   // type signalfd: those that it takes, bit n-1 = signal n
};

// Another process that matters to a wait of this one: it holds the other end of what a thread waits on, or its end is
// waited for; or the same of one that matters. What its threads sleep in, and who holds the other ends of that.
struct NeighbourFacts {
  std::uint64_t pid = 0;
  std::string comm;
  bool exists = false;  // false: nobody has that number any more
  ProcessFacts process;
  std::vector<ThreadFacts> threads;  // the main one first
  bool threads_known = false;        // all of them are there, and their system calls were read
  std::vector<FdFacts> fds;          // those that its threads wait on
  bool fds_known = false;
  std::vector<std::uint64_t> moved;  // threads that ran between two looks
  double looked_ms = 0;              // how far apart these were; 0 = there was one only
  std::string why_unknown;           // "" if all was read
};

struct KernelFacts {
  ProcessFacts process;
  std::vector<FdFacts> fds;
  bool fds_known = false;  // false for a core: an empty list means nothing then
  std::vector<NeighbourFacts> neighbours;
};

// --- CPython's view --------------------------------------------------------------------------------------------

struct FrameFacts {
  std::uint64_t address = 0;                 // _PyInterpreterFrame
  std::string function;                      // co_qualname
  std::string file;                          // co_filename
  int line = 0;                              // 0 = unknown
  bool entry = false;                        // a C caller entered the eval loop just outside this frame
  std::optional<std::uint64_t> instruction;  // address of the current code unit
  std::optional<int> handler;                // it is the Python handler of this signal, called by the interpreter
};

// A loop of short sleeps that looks at a queue between interpreters (concurrent.interpreters, 3.13+).
struct Polling {
  std::size_t frame = 0;        // index of the frame that polls
  std::string what;             // "queue 3", "channel 1"
  bool sends = false;           // it waits for room, not for an item
  std::optional<bool> endless;  // no timeout was given
};

// A frame that is inside a `with` block on a lock, and so holds it.
struct LockHolder {
  std::uint64_t tstate = 0;
  std::size_t frame = 0;  // index, innermost first
};

// A lock of threading that a thread waits for.
struct LockFacts {
  std::uint64_t object = 0;
  std::string type;                    // "_thread.lock", "_thread.RLock"
  std::string name;                    // as that thread's frames call it: "self._lock"; "" if none does
  std::uint64_t waiter = 0;            // thread state
  std::optional<std::uint64_t> owner;  // thread ident of an RLock's owner
  std::vector<LockHolder> held_by;     // of any thread, the waiter's own frames included
  std::vector<std::size_t> named_by;   // of the waiter's frames, those whose names lead to it
};

// A handler of a thread's own code that takes a KeyboardInterrupt which is raised where the thread waits, and after
// which it waits there again.
struct CaughtInterrupt {
  std::size_t frame = 0;  // index of the frame that has the handler
  std::string by;         // "except BaseException", "contextlib.suppress"
  int line = 0;           // of the handler; 0 = unknown
  bool resumes = false;   // false: it may wait there again, the handler's code could not be followed to its end
};

struct ThreadStateFacts {
  std::uint64_t address = 0;  // PyThreadState
  std::int64_t interpreter = 0;
  std::uint64_t tid = 0;        // native_thread_id; 0 = never ran
  std::uint64_t thread_id = 0;  // pthread_t
  std::string name;             // threading.Thread._name; "" if not in threading._active
  std::optional<bool> daemon;
  std::optional<bool> bound_gilstate, attached;  // attached: 3.13+ state != DETACHED; 3.12 _status.active
  std::optional<bool> drop_request;              // somebody asked the holder to drop the GIL, where it can see it
  std::vector<FrameFacts> frames;                // innermost first
  bool frames_complete = true;
  std::optional<bool> at_call;  // the innermost frame stands at an instruction that calls something
  std::optional<Polling> polling;
  std::optional<std::uint64_t> joins;  // thread_id of the threading.Thread whose end it waits for
  std::uint64_t pool = 0;              // work queue of the concurrent.futures pool whose worker it is; 0 = of none
  std::optional<std::int64_t> child;   // pid of the Popen or multiprocessing.Process whose end, or output, it waits for
  std::optional<bool> only_sleeps;     // the code of its frames names nothing but clocks, sleeps and plain data
  std::optional<CaughtInterrupt> interrupt;  // of the main thread; absent = none was seen that would take one
};

struct InterpreterFacts {
  std::int64_t id = 0;
  std::uint64_t address = 0;
  bool is_main = false;
  int gil = -1;                 // index into PythonFacts::gils
  std::optional<bool> own_gil;  // 3.12+
  std::optional<bool> shares_main_gil;
  std::optional<bool> legacy;          // configured like Py_NewInterpreter; on 3.11: a subinterpreter not isolated
  std::optional<bool> running_main;    // somebody is inside exec()/call() on it (3.13+ threads.main)
  std::optional<std::int64_t> whence;  // 3.13+: _PyInterpreterState_WHENCE_*
  std::optional<bool> finalizing;
  std::optional<std::uint64_t>
      finalized_by;  // 3.12+: the PyThreadState that does it; 0 before its atexit functions ran
};

struct GilFacts {
  std::uint64_t address = 0;
  std::optional<bool> locked;
  std::optional<std::uint64_t> last_holder;  // PyThreadState that has or last had it
  std::optional<std::uint64_t> switch_number;
  std::optional<std::uint64_t> interval_us;
  std::uint64_t cond = 0, cond_size = 0;  // a futex word in here = waits for this GIL
  std::uint64_t mutex = 0, mutex_size = 0;
  std::vector<std::int64_t> interpreters;           // sharers
  std::optional<bool> drop_request_seen_by_holder;  // the eval loop of the holder would notice a waiter (see G/S rules)
};

enum class HandlerKind {
  unknown,
  none,
  default_int_handler,
  sig_dfl,
  sig_ign,
  function,
  method,
  builtin,
  partial,
  other
};

struct SignalFacts {
  std::optional<int> wakeup_fd;
  std::optional<bool> warn_on_full_buffer;
  std::optional<bool> is_tripped;
  std::vector<int> tripped;  // signal numbers with Handlers[n].tripped
  std::optional<bool> sigint_tripped;
  HandlerKind sigint_handler = HandlerKind::unknown;
  std::string sigint_handler_name;  // qualname, "asyncio.runners.Runner._on_sigint"
  std::string sigint_handler_file;  // of a Python function
  int sigint_handler_line = 0;
  // asyncio.Runner._interrupt_count when the handler is its _on_sigint: >= 1 means the next SIGINT raises at once.
  std::optional<std::int64_t> runner_interrupt_count;
};

enum class LoopKind { asyncio, trio, unknown };

// What a task is parked on, by the frames in which it waits and the objects in them.
enum class ParkedOn {
  unknown,
  nothing,  // it is about to run, or has not begun
  timer,
  fd,
  future,   // a bare future: whoever has it may resolve it
  tasks,    // other tasks of its loop: a task, a task group, gather(), a nursery
  receive,  // an item from a trio memory channel
  send,     // room in one, or a receiver
  queue_get,
  queue_put,
  queue_join,
  event,
  lock,
  semaphore,
  condition,
  barrier,
  thread,   // a call in another thread
  process,  // the end of a child
  forever   // sleep_forever(), on purpose
};

struct ParkedFacts {
  ParkedOn on = ParkedOn::unknown;
  std::uint64_t object = 0;                                  // the primitive; 0 = not found
  std::string type;                                          // of the primitive: "asyncio.queues.Queue"
  std::optional<int> fd;                                     // on fd
  std::optional<bool> writing;                               // on fd: it waits for room
  std::optional<std::int64_t> pid;                           // on process
  std::optional<std::int64_t> items, limit;                  // in the queue or channel; 0 or less = without limit
  std::optional<std::int64_t> open_senders, open_receivers;  // of a trio channel
  // The primitive's own state says that the wait should be over: the event is set, the lock is free, an item is there.
  std::optional<bool> available;
  std::vector<std::uint64_t> tasks;  // that must end first, or own the lock
  std::optional<bool> any;           // one of them is enough
  // Other tasks that lead to the primitive and whose code names what ends the wait ("set", "put", "aclose"); 0 = a
  // callback of the loop leads to it. Only meaningful if searched; the first 20.
  std::vector<std::uint64_t> could_end;
  std::optional<bool> searched;  // false: the budget ended first
};

// A task of a loop.
struct TaskFacts {
  std::uint64_t object = 0;
  std::string name;
  bool main = false;               // the task that the run function waits for
  bool system = false;             // the framework's own (trio's init and system tasks)
  std::vector<FrameFacts> frames;  // of its coroutine, innermost first
  std::string waits_on;            // type of what the innermost await waits for: "_asyncio.Future"
  bool waits_for_tasks = false;    // for other tasks of its loop (a task group, gather(), a nursery, a task itself)
  ParkedFacts parked;
  std::uint64_t parent = 0;  // trio: the task that owns its nursery
  // asyncio: cancel() calls that no uncancel() took back; trio: 1 if a scope around it is cancelled.
  std::optional<std::int64_t> cancels;
  std::optional<bool> bounded;  // a timeout or a deadline is set around where it waits
  // A coroutine of it is inside `except` or `finally` with the cancellation (asyncio).
  std::optional<bool> handles_cancel;
  std::optional<bool> shielded;       // trio: it is parked where a scope with shield=True keeps cancellation out
  std::optional<bool> unstoppable;    // trio: it waits for a thread that may not be abandoned
  std::optional<std::int64_t> child;  // pid of the subprocess whose output it reads to the end, or whose end it awaits
  std::optional<bool> child_ended;    // the framework has its exit status
};

// A callback or the next step of a task, in the queue of an event loop.
struct QueuedFacts {
  std::uint64_t object = 0;       // the Handle (asyncio), the Task (trio)
  std::string what, file;         // "threading.Event.set"; of a Python function
  int line = 0;                   // of that function; 0 = unknown
  std::uint64_t task = 0;         // it is a step of this one; 0 = of none
  std::optional<bool> cancelled;  // it is passed over when its turn comes
};

// A cancel scope of anyio on asyncio that was cancelled.
struct CancelScopeFacts {
  std::uint64_t object = 0;
  bool delivering = false;           // its next delivery stands in the loop's queue (`_cancel_handle` is set)
  std::vector<std::uint64_t> tasks;  // that it has still to reach
};

// A descriptor that a loop watches, by the loop's own map of them.
struct WatchedFd {
  int fd = -1;
  bool accepts = false;  // asyncio accepts connections on it
};

// An event loop that is being run by a thread, seen from that thread's frames and the loop object's attributes.
struct LoopFacts {
  LoopKind kind = LoopKind::unknown;
  std::string type;  // of one of unknown kind: "uvloop.Loop"
  std::uint64_t tid = 0;
  std::uint64_t tstate = 0;
  std::int64_t interpreter = 0;
  std::string run_function;  // the frame that drives it: "BaseEventLoop.run_forever"
  std::uint64_t object = 0;  // the loop or runner object; 0 if not found
  bool in_selector = false;  // innermost Python frame is the loop's own wait
  // The innermost frame that is neither the loop's nor the framework's, below a running step: what user code it runs.
  std::optional<int> user_frame;                    // index into the thread state's frames
  std::optional<std::int64_t> ready;                // asyncio: len(loop._ready); trio: len(runner.runq)
  std::vector<QueuedFacts> queued;                  // the first 20 of what is ready
  std::optional<std::int64_t> scheduled;            // asyncio: live timers; trio: deadlines
  std::vector<TaskFacts> tasks;                     // not finished; framework order
  bool tasks_known = false;                         // false: an empty list means nothing
  std::optional<std::uint64_t> task_count;          // of all that are not finished; `tasks` has some of many alike
  std::optional<int> wakeup_reader, wakeup_writer;  // its own self-pipe / wakeup socketpair
  std::vector<int> own_fds;                         // every fd that exists only to wake this loop
  std::optional<int> epfd;
  std::optional<std::vector<WatchedFd>> watched;  // all that is in its epoll set, by its own map; its own_fds, too
  std::vector<int> signal_handlers;               // asyncio add_signal_handler: signal numbers
  std::vector<CancelScopeFacts> cancel_scopes;    // those that were cancelled, as far as the tasks' frames lead to them
  std::optional<bool> is_guest;                   // trio; `tid` is the thread that waits for its events, then
  std::uint64_t host = 0;                         // of a guest: the asyncio loop that runs its steps; 0 = not known
  std::optional<bool> stopping, closed;
  std::optional<bool> interrupt_pending;  // trio: runner.ki_pending
  std::uint64_t executor = 0;             // asyncio: work queue of its default executor; 0 = it has none
  // Other threads whose frames lead to this loop (its object or its wakeup socket) within the search budget: they can
  // still call into it. Only meaningful if wakers_searched.
  std::vector<std::uint64_t> wakers;
  bool wakers_searched = false;
};

// Who makes what a thread waits for.
enum class Provider {
  unknown,
  nobody_needed,  // it is there already
  thread,         // a pool worker that runs the job; another thread
  loop,           // it is in the queue of an event loop, or a task of it
  pool            // it is in the work queue of a pool
};

// What a thread blocks on in Python: a concurrent.futures.Future, an Event, an answer of trio's thread.
struct AwaitedFacts {
  std::uint64_t waiter = 0;  // thread state
  std::size_t frame = 0;     // index of its frame that waits
  std::uint64_t object = 0;  // 0 = there is no one object
  std::string type;          // "concurrent.futures._base.Future", "trio call"
  bool any = false;          // it waits for several, and one is enough
  Provider by = Provider::unknown;
  std::uint64_t provider = 0;  // thread: its thread state; loop: its object; pool: the work queue
  std::uint64_t task = 0;      // of a loop
  bool seen = true;            // false: inferred from references
};

// Channels between tasks, threads, processes or interpreters that are Python objects.
enum class ChannelKind {
  memory_channel,       // trio's and anyio's: two kinds of ends, which can be closed
  async_queue,          // asyncio.Queue
  thread_queue,         // queue.Queue, SimpleQueue
  process_queue,        // multiprocessing.Queue, over a pipe
  connection,           // multiprocessing.Connection, over a pipe or a socket
  interpreter_queue,    // concurrent.interpreters (3.13+)
  interpreter_channel,  // _interpchannels
};

// A thread, or a task of a loop, whose frames lead to a channel.
struct ChannelUser {
  std::uint64_t tstate = 0;  // thread state; of a task, that of its loop
  std::uint64_t task = 0;    // 0 = the thread itself
  // It has an open end of that kind or, where the ends are one object, its code names a call that does it.
  bool sends = false, receives = false;
  bool waits_to_send = false, waits_to_receive = false;
};

struct ChannelFacts {
  ChannelKind kind = ChannelKind::thread_queue;
  std::uint64_t object = 0;                                  // of a memory channel, the state that its ends share
  std::string type;                                          // "asyncio.queues.Queue"
  std::optional<std::int64_t> id;                            // between interpreters
  std::optional<std::int64_t> items, limit;                  // 0 or less = without limit
  std::optional<std::int64_t> open_senders, open_receivers;  // of a memory channel
  std::optional<bool> closed;                                // Queue.shutdown(), close()
  std::vector<int> fds;                                      // that it is made of: reading end, writing end
  std::vector<ChannelUser> users;
  std::vector<std::int64_t> interpreters;  // whose frames or `__main__` lead to it; ascending
  bool searched = false;                   // all frames were followed to their ends: there are no other users
};

// An object of Python that has a descriptor and closes it when it goes: a socket, a file, a Connection.
struct FdOwner {
  int fd = -1;
  std::uint64_t object = 0;
  std::string type;  // "socket.socket"
  std::int64_t interpreter = 0;
  std::uint64_t tstate = 0, task = 0;  // whose frames lead to it; both 0: only the interpreter's `__main__` does
};

struct PythonFacts {
  std::string version;  // "3.13.0"
  std::uint32_t hexversion = 0;
  std::vector<std::string> build;      // "release" | "debug", "free-threaded"
  std::string library;                 // the file that holds _PyRuntime
  std::uint64_t runtime = 0;           // &_PyRuntime
  std::vector<std::string> providers;  // layout providers used, in order of preference
  std::optional<bool> finalizing;
  // The end of the program closes the interpreters that are left, and joins their threads; absent: now and then.
  std::optional<bool> exit_closes_interpreters;
  std::uint64_t main_tid = 0;                  // native thread id of the main thread
  std::vector<InterpreterFacts> interpreters;  // as in memory: newest first
  std::vector<ThreadStateFacts> thread_states;
  std::vector<GilFacts> gils;
  SignalFacts signals;
  std::vector<LoopFacts> loops;
  // Loops that are not asyncio's own and that its tasks belong to (uvloop): their insides are not read, so that rules
  // do not use them. tid is 0 where no thread was seen to run it.
  std::vector<LoopFacts> other_loops;
  std::vector<LockFacts> locks;  // that threads wait for, as far as they were looked for
  std::vector<AwaitedFacts> awaited;
  std::vector<ChannelFacts> channels;  // only where they were asked for
  bool channels_known = false;
  std::vector<FdOwner> fd_owners;        // read with the channels
  bool fd_owners_complete = false;       // all frames and main modules were followed to their ends
  std::vector<std::int64_t> exit_joins;  // children that the exit waits for: multiprocessing's, but for daemons
};

// --- what moved ------------------------------------------------------------------------------------------------
// Blocked threads do not change while they hang. The watch is what repeated reads over `ms` saw move.

// A function that a running thread was seen in, and how often.
struct NativeSample {
  std::string symbol, module;
  int count = 0;
};

struct ThreadWatch {
  std::uint64_t tid = 0;
  std::uint64_t cpu_ns = 0;  // used during the watch
  std::uint64_t voluntary_switches = 0, involuntary_switches = 0;
  int reads = 0, running_reads = 0;  // how often it was seen not in a system call
  bool wait_changed = false;         // a different system call or first argument was seen
  // Of a GIL's holder: its instruction pointer in user space, sampled while it ran; the most frequent functions first.
  int samples = 0;
  std::vector<NativeSample> native;
};

struct StateWatch {
  std::uint64_t tstate = 0;
  int reads = 0;
  int changes = 0;  // reads in which the innermost frame or instruction had moved
};

struct GilWatch {
  int gil = 0;
  int reads = 0, locked_reads = 0;
  int holder_changes = 0;
  std::uint64_t switches = 0;  // switch_number after minus before
  bool let_go = false;         // its holder wrote to `locked`: it gave it up and took it again with nobody asking
};

struct Watch {
  double ms = 0;         // 0 = a single sample: nothing is known about movement
  std::string skipped;   // why there was one sample only ("--interval 0", "a core")
  bool at_rest = false;  // one sample was enough: every thread slept, and none moved while it was taken
  std::vector<ThreadWatch> threads;
  std::vector<StateWatch> states;
  std::vector<GilWatch> gils;
};

// --- all of it -------------------------------------------------------------------------------------------------

struct Snapshot {
  int schema_version = kSchemaVersion;
  std::string taken_at;  // UTC, ISO 8601
  TargetFacts target;
  std::vector<ThreadFacts> threads;  // kernel threads
  std::vector<NativeLockFacts> native_locks;
  KernelFacts kernel;
  std::optional<PythonFacts> python;
  Watch watch;
  std::vector<Reading> readings;
  std::vector<Gap> gaps;

  [[nodiscard]] const ThreadFacts* thread(std::uint64_t tid) const;
  [[nodiscard]] const FdFacts* fd(int number) const;
  [[nodiscard]] const NeighbourFacts* neighbour(std::uint64_t pid) const;
  [[nodiscard]] const Reading* reading(const std::string& key) const;
  [[nodiscard]] const ThreadWatch* thread_watch(std::uint64_t tid) const;
  [[nodiscard]] const StateWatch* state_watch(std::uint64_t tstate) const;
  [[nodiscard]] const GilWatch* gil_watch(int gil) const;
  [[nodiscard]] const ThreadStateFacts* thread_state(std::uint64_t address) const;
  // The GIL whose condition or mutex has that futex word; nothing if it is no GIL's, or there is no Python.
  [[nodiscard]] std::optional<int> gil_of_futex(std::uint64_t word) const;
  [[nodiscard]] const InterpreterFacts* interpreter(std::int64_t id) const;
};

}  // namespace hang::facts
