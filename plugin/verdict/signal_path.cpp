#include "verdict/signal_path.h"

#include <algorithm>
#include <fmt/format.h>

namespace hang::verdict {

using facts::HandlerKind;
using facts::WaitKind;

namespace {

constexpr int kSigint = 2;
constexpr std::uint64_t kSigintBit = 1u << (kSigint - 1);

// Kernel memory that one one-byte send on a unix stream socket takes: sizeof(struct sk_buff) and its head, rounded to
// their slabs. Measured on Linux 4.8 to 6.18: 768 (six fit a pair with the smallest SO_SNDBUF, 4608).
constexpr std::uint64_t kUnixSendCost = 768;

// Collects the steps; the first one that is dead ends the walk.
class Walk {
 public:
  Walk(const Process& process, const WaitGraph& graph) : process_(process), graph_(graph), facts_(process.facts()) {}

  CtrlC run() {
    stopped();
    ignored();
    blocked();
    handler_ran();
    byte_arrived();
    main_can_run();
    python_handler();
    reached_top();
    finish();
    return std::move(result_);
  }

 private:
  void add(int number, std::string title, Mark mark, std::string evidence) {
    if (dead_ || taken_) {
      mark = mark == Mark::ok || mark == Mark::full ? mark : Mark::not_reached;
    }
    result_.steps.push_back({number, std::move(title), mark, std::move(evidence)});
  }

  void die(int number, std::string title, const std::string& why, Answer answer = Answer::no) {
    add(number, std::move(title), Mark::dead, why);
    if (dead_ || taken_) return;
    dead_ = true;
    result_.answer = answer;
    result_.step = number;
    result_.why = why;
  }

  void doubt(int number, std::string title, const std::string& why) {
    add(number, std::move(title), Mark::unknown, why);
    if (!doubt_ && !dead_) doubt_ = {number, why};
  }

  void stopped();
  void ignored();
  void blocked();
  void handler_ran();
  void byte_arrived();
  void main_can_run();
  void python_handler();
  void reached_top();
  void finish();
  [[nodiscard]] bool runs_no_python() const;
  [[nodiscard]] bool handler_is_stuck() const;
  [[nodiscard]] std::string held_back_in_trio(const facts::LoopFacts& loop) const;
  [[nodiscard]] std::string joined_by_exit() const;
  [[nodiscard]] bool asks_trio_on_main(std::uint64_t tid) const;
  [[nodiscard]] std::string closed_by_exit() const;
  [[nodiscard]] std::string child_joined_by_exit() const;

  [[nodiscard]] const facts::SignalFacts& signals() const { return process_.python().signals; }
  [[nodiscard]] bool handled_by_runner() const { return signals().sigint_handler_name.ends_with("Runner._on_sigint"); }
  [[nodiscard]] bool default_action() const {
    return signals().sigint_handler == HandlerKind::sig_dfl ||
           (facts_.kernel.process.sig_cgt && (*facts_.kernel.process.sig_cgt & kSigintBit) == 0 &&
            facts_.kernel.process.sig_ign && (*facts_.kernel.process.sig_ign & kSigintBit) == 0);
  }

  const Process& process_;
  const WaitGraph& graph_;
  const facts::Snapshot& facts_;
  CtrlC result_;
  bool dead_ = false;
  bool taken_ = false;  // by the program itself, before the handler
  std::optional<std::pair<int, std::string>> doubt_;
  std::optional<std::string> partly_;
};

void Walk::stopped() {
  const auto& kernel = facts_.kernel.process;
  if (!kernel.state && facts_.target.died)  // to one that is stopped the kernel delivers no signal (do_signal_stop)
    return add(0, "running", Mark::ok, "a signal ended it, so it was not stopped");
  if (!kernel.state) return doubt(0, "running", "process state not known");
  if (facts_.target.stopped_by_host)
    return add(0, "running", Mark::ok, "held by this debugger now; it runs again when the debugger lets go");
  if (*kernel.state == 'T')
    return die(0, "running", "the process is stopped (state T): signals wait until it is continued");
  if (*kernel.state == 't')
    return die(0, "running",
               fmt::format("process {} traces it and holds it stopped (state t)", kernel.tracer_pid.value_or(0)));
  add(0, "running", Mark::ok,
      fmt::format("state {}, {}", *kernel.state,
                  kernel.tracer_pid.value_or(0) > 0 ? fmt::format("traced by {}", *kernel.tracer_pid) : "not traced"));
}

void Walk::ignored() {
  const auto& kernel = facts_.kernel.process;
  if (signals().sigint_handler == HandlerKind::sig_ign)
    return die(1, "not ignored", "Python's handler for SIGINT is SIG_IGN");
  if (!kernel.sig_ign) {
    if (signals().sigint_handler == HandlerKind::unknown)
      return doubt(1, "not ignored", "neither the kernel's SigIgn nor Python's handler is known");
    return add(1, "not ignored", Mark::ok, "Python has a handler for SIGINT");
  }
  if ((*kernel.sig_ign & kSigintBit) != 0)
    return die(1, "not ignored", "SIGINT is ignored (SigIgn bit 2 of /proc status)");
  add(1, "not ignored", Mark::ok, "SigIgn bit 2 clear");
}

void Walk::blocked() {
  int known = 0, blocked = 0;
  for (const auto& thread : facts_.threads) {
    if (!thread.sig_blk) continue;
    ++known;
    if ((*thread.sig_blk & kSigintBit) != 0) ++blocked;
  }
  if (known == 0) return doubt(2, "not blocked", "signal masks not known");
  // What the program does with it then is its own affair, and no step of CPython's.
  if (const auto taker = process_.takes_sigint(); !taker.empty()) {
    doubt(2, "not blocked", fmt::format("the program takes it by itself: {}", taker));
    taken_ = !dead_;
    return;
  }
  const auto* main = process_.main_thread();
  const bool waits_for_signal = main != nullptr && main->wait.kind == WaitKind::signal;
  if (blocked == known && waits_for_signal)
    return doubt(2, "not blocked", "blocked in every thread, but the main thread waits for signals itself");
  if (blocked == known) return die(2, "not blocked", "SIGINT is blocked in every thread (SigBlk)");
  std::string words = blocked == 0 ? "in no thread" : fmt::format("in {} of {} threads", blocked, known);
  const auto& kernel = facts_.kernel.process;
  if (kernel.tty_nr.value_or(0) != 0 && kernel.tpgid && kernel.pgrp && *kernel.tpgid > 0 &&
      *kernel.tpgid != *kernel.pgrp)
    words += fmt::format("; note: the terminal's foreground group is {}, this process is in {}", *kernel.tpgid,
                         *kernel.pgrp);
  add(2, "not blocked", Mark::ok, words);
}

void Walk::handler_ran() {
  if (signals().sigint_tripped == true)
    return add(3, "C handler ran", Mark::ok, "SIGINT is tripped, Python has not handled it yet");
  if (default_action()) return add(3, "C handler ran", Mark::ok, "no handler: the kernel ends the process on SIGINT");
  if (!signals().sigint_tripped) return doubt(3, "C handler ran", "Python's tripped flags could not be read");
  const auto wakeup = wakeup_state(facts_);
  add(3, "C handler would run", Mark::ok,
      wakeup.unread.value_or(0) > 0 ? "not tripped now, but wakeup bytes of earlier signals are unread"
                                    : "nothing is tripped now");
}

void Walk::byte_arrived() {
  if (!signals().wakeup_fd) return doubt(4, "wakeup byte", "the wakeup fd could not be read");
  if (const std::string why = misrouted(process_); !why.empty()) return die(4, "wakeup byte", why);
  const auto wakeup = wakeup_state(facts_);
  if (!wakeup.set) return add(4, "wakeup byte", Mark::ok, "no wakeup fd is set (normal without a loop that wants one)");
  if (wakeup.full == true) return add(4, fmt::format("wakeup fd {}", wakeup.fd), Mark::full, wakeup.words);
  if (!wakeup.full) return add(4, fmt::format("wakeup fd {}", wakeup.fd), Mark::unknown, wakeup.words);
  add(4, fmt::format("wakeup fd {}", wakeup.fd), Mark::ok, wakeup.words);
}

void Walk::main_can_run() {
  const char* title = "main thread can run";
  if (default_action()) return add(5, title, Mark::ok, "not needed: the kernel acts");
  const auto* state = process_.current_state(process_.main_tid());
  const auto* main = process_.main_interpreter();
  if (const auto* closed = process_.closes(process_.main_tid()))
    return die(
        5, title,
        fmt::format("the main thread is closing interpreter {} and belongs to it meanwhile; signals are handled in "
                    "the main interpreter only",
                    closed->id));
  if (state != nullptr && main != nullptr && state->interpreter != main->id && !state->frames.empty())
    return die(5, title,
               fmt::format("the main thread executes inside interpreter {}, which may not handle signals",
                           state->interpreter));
  const int gil = process_.main_gil();
  if (gil < 0) return doubt(5, title, "the main interpreter's GIL could not be read");
  const auto& grip = graph_.grips()[gil];
  const auto& waiting = graph_.waiting(process_.main_tid());
  const bool holds = grip.holder != nullptr && grip.holder->tid == process_.main_tid();
  if (grip.grip == Grip::hogged && !holds) {
    const bool waits = process_.waits_for_gil(process_.main_tid()) == gil;
    return die(5, title,
               fmt::format("{} {}, held by {}", waits ? "waits for" : "would have to wait for",
                           gil_label(process_, gil), process_.thread_label(grip.holder->tid)));
  }
  if (grip.grip == Grip::hogged && holds) {
    if (!graph_.deadlock_of(process_.main_tid()).empty())
      return die(5, title,
                 fmt::format("the main thread holds {} and waits for {} in a deadlock", gil_label(process_, gil),
                             waiting.on.empty() ? "a native lock" : waiting.on.front().what));
    if (const auto* lock = process_.native_lock_of(process_.main_tid()))
      return die(5, title,
                 fmt::format("the main thread holds {} and sleeps on a {}, which no signal interrupts",
                             gil_label(process_, gil), lock->kind));
    if (signals().sigint_tripped == true)
      return die(5, title, "the main thread is inside one native call that does not look at signals");
    return doubt(
        5, title,
        "the main thread is inside one native call; only if that calls PyErr_CheckSignals does Ctrl-C get through");
  }
  if (grip.grip == Grip::unknown) return doubt(5, title, "whether its GIL is held could not be read");
  if (grip.grip == Grip::held && !holds && facts_.watch.ms <= 0)
    return doubt(5, title,
                 fmt::format("{} has the GIL now; one sample cannot tell whether it would give it up",
                             process_.thread_label(grip.holder->tid)));
  if (grip.grip == Grip::held && !holds && grip.doubtful)
    return doubt(5, title,
                 fmt::format("{} has the GIL and did not move: it may be inside one native call",
                             process_.thread_label(grip.holder->tid)));
  const auto* thread = process_.main_thread();
  if (thread == nullptr) return doubt(5, title, "the main thread is not among the threads that were read");
  const bool asleep = thread->wait.kind != WaitKind::none && thread->wait.kind != WaitKind::unknown;
  if (waiting.waker == Waker::running || !asleep) return add(5, title, Mark::ok, "it runs");
  // The kernel gives the signal to a thread that does not block it; that one runs the C handler, and the main thread is
  // woken by the wakeup fd or not at all.
  const bool elsewhere = thread->sig_blk && (*thread->sig_blk & kSigintBit) != 0;
  if (elsewhere && signals().wakeup_fd == -1 && !wakes_soon(waiting))
    return die(5, title,
               fmt::format("it blocks SIGINT itself, so another thread takes the signal, and nothing wakes the main "
                           "thread from {}",
                           thread->wait.name.empty() ? "its wait" : thread->wait.name));
  // A lock of Python's gives up its wait for a signal, a native one goes on: which it is was not read.
  if (signals().sigint_tripped == true && thread->wait.kind == WaitKind::futex && !wakes_soon(waiting))
    return doubt(5, title, "a SIGINT waits already and it sleeps on in futex; whether a further one ends that wait");
  if (const auto* lock = process_.native_lock_of(process_.main_tid()); lock != nullptr && !wakes_soon(waiting))
    return die(5, title,
               fmt::format("the main thread sleeps in native code on the {}, which no signal interrupts", lock->kind));
  if (runs_no_python())
    return doubt(5, title, "the main thread is in native code, with no Python of its own to go back to");
  add(5, title, Mark::ok,
      fmt::format("GIL free for it; a signal interrupts {}",
                  thread->wait.name.empty() ? "its wait" : thread->wait.name));
}

// A program that embeds CPython, in its own main loop: handlers run when Python runs on this thread again, if ever.
bool Walk::runs_no_python() const {
  const auto& states = process_.states_of(process_.main_tid());
  return process_.python().finalizing != true && std::all_of(states.begin(), states.end(), [](const auto* state) {
           return state->frames.empty() && state->frames_complete;
         });
}

// The handler of SIGINT runs already and waits for ever: another SIGINT runs it once more, on top.
bool Walk::handler_is_stuck() const {
  const auto* state = process_.current_state(process_.main_tid());
  const auto frame = state == nullptr ? std::nullopt : handler_frame(*state);
  return frame && state->frames[*frame].handler == kSigint && graph_.waiting(process_.main_tid()).waker == Waker::none;
}

void Walk::python_handler() {
  const char* title = "Python handler runs";
  const auto& s = signals();
  if (handler_is_stuck())
    return die(6, title,
               "the handler of SIGINT runs already and waits for a lock; a further SIGINT runs it again on top");
  switch (s.sigint_handler) {
    case HandlerKind::default_int_handler:
      return add(6, title, Mark::ok, "default_int_handler raises KeyboardInterrupt");
    case HandlerKind::sig_dfl:
    case HandlerKind::none: return add(6, title, Mark::ok, "no Python handler: the kernel's default ends the process");
    case HandlerKind::unknown: return doubt(6, title, "Python's SIGINT handler could not be read");
    case HandlerKind::sig_ign: return add(6, title, Mark::not_reached, "SIG_IGN");
    default: break;
  }
  std::string where = s.sigint_handler_name;
  if (handled_by_runner()) {
    where += " (asyncio.run: the first SIGINT cancels the main task, the second raises)";
    return add(6, title, Mark::ok, where);
  }
  const bool trio = s.sigint_handler_file.find("/trio/_core/_ki.py") != std::string::npos;
  if (trio) return add(6, title, Mark::ok, where + " (trio: raises KeyboardInterrupt in the main task)");
  if (!s.sigint_handler_file.empty()) where += fmt::format(", {}:{}", s.sigint_handler_file, s.sigint_handler_line);
  doubt(6, title, fmt::format("a handler of the program runs: {}; what it does decides", where));
}

// A task that keeps the main task of a trio loop waiting whatever is raised: behind a shield, or in a thread that it
// may not abandon.
std::string Walk::held_back_in_trio(const facts::LoopFacts& loop) const {
  bool main_waits = false;
  for (const auto& task : loop.tasks)
    main_waits = main_waits || (task.main && (task.waits_for_tasks || task.unstoppable == true));
  if (loop.kind != facts::LoopKind::trio || !main_waits) return {};
  for (const auto& task : loop.tasks) {
    const auto* frame = user_frame(task.frames);
    if (task.system || task.waits_for_tasks || frame == nullptr) continue;
    if (task.shielded == true && !task.main)
      return fmt::format("task {} waits behind a shield (shield=True) at {}, which keeps the cancellation out",
                         task.name, frame_label(*frame));
    if (task.unstoppable == true)
      return fmt::format("task {} waits at {} for a thread that it may not abandon", task.name, frame_label(*frame));
  }
  return {};
}

// A call into the trio loop of the main thread is answered or refused when that loop ends (trio.RunFinishedError).
bool Walk::asks_trio_on_main(std::uint64_t tid) const {
  const auto* loop = process_.loop_of(process_.main_tid());
  const auto& awaited = process_.awaited(tid);
  return loop != nullptr && loop->kind == facts::LoopKind::trio && awaited.size() == 1 &&
         awaited.front()->by == facts::Provider::loop && awaited.front()->provider == loop->object;
}

// threading._shutdown joins what is not a daemon; a thread that will not end keeps the process after main is out.
std::string Walk::joined_by_exit() const {
  const auto* main = process_.main_interpreter();
  if (main == nullptr || process_.main_exits()) return {};
  for (auto tid : process_.joined_at_end(main->id, process_.main_tid())) {
    const auto* state = process_.current_state(tid);
    if ((state != nullptr && is_idle_pool_worker(*state)) || graph_.waiting(tid).on.empty()) continue;
    if (asks_trio_on_main(tid)) continue;
    return fmt::format("the main thread ends, but the exit then joins {}, which is not a daemon",
                       process_.thread_label(tid));
  }
  return {};
}

// The exit closes the interpreters that are left, on the main thread, and joins their threads; Ctrl-C is not handled
// there.
std::string Walk::closed_by_exit() const {
  if (process_.python().exit_closes_interpreters == false) return {};
  for (const auto& interpreter : process_.python().interpreters) {
    if (interpreter.is_main) continue;
    for (auto tid : process_.joined_at_end(interpreter.id, process_.main_tid()))
      if (graph_.waiting(tid).waker == Waker::none)
        return fmt::format("the exit would close interpreter {} and wait for {} in it", interpreter.id,
                           process_.thread_label(tid));
  }
  return {};
}

// multiprocessing's exit function joins the children that are no daemons; one that waits without end keeps it.
std::string Walk::child_joined_by_exit() const {
  for (const auto pid : process_.python().exit_joins) {
    const auto* child = facts_.neighbour(static_cast<std::uint64_t>(pid));
    if (child == nullptr || child->threads.empty() || child->looked_ms <= 0 || !child->moved.empty()) continue;
    const auto& wait = child->threads.front().wait;
    const bool endless = !wait.timeout_ms || is_endless(wait);
    if (endless && wait.kind != WaitKind::none && wait.kind != WaitKind::nanosleep && wait.kind != WaitKind::unknown)
      return fmt::format("the main thread ends, but the exit then joins child process {}, which waits in {}", pid,
                         wait.name);
  }
  return {};
}

void Walk::reached_top() {
  const char* title = "exception reaches the top";
  const auto partly = [&](std::string why) {
    partly_ = std::move(why);
    add(7, title, Mark::unknown, *partly_);
  };
  if (default_action()) return add(7, title, Mark::ok, "not needed: the kernel acts");
  const auto* state = process_.current_state(process_.main_tid());
  const auto& waiting = graph_.waiting(process_.main_tid());
  if (const auto frame = state == nullptr ? std::nullopt : finalizer_frame(*state);
      frame && process_.python().finalizing != true)
    return die(7, title,
               fmt::format("it would be raised inside the finalizer {}, where CPython prints and drops it",
                           frame_label(state->frames[*frame])));
  const auto* loop = process_.loop_of(process_.main_tid());
  if (loop != nullptr)
    if (const std::string why = held_back_in_trio(*loop); !why.empty()) return die(7, title, why);
  // In a loop of events it is the loop that gets the interrupt, and what it does with that is told by its tasks.
  if (const auto* caught = loop == nullptr ? process_.caught_interrupt() : nullptr) {
    const std::string where = fmt::format("{} in {}", caught->by, frame_label(handler_line(*state, *caught)));
    if (caught->resumes)
      return die(7, title, fmt::format("it would be caught by {}, and the same wait begins anew", where));
    return doubt(7, title, fmt::format("it would be caught by {}, and the same wait may begin anew", where));
  }
  const auto interrupts = signals().runner_interrupt_count.value_or(0);
  // A loop that reads its own wakeup socket turns.
  const auto* thread = process_.main_thread();
  const bool own = loop != nullptr && thread != nullptr && thread->wait.fd && thread->wait.fd == loop->wakeup_reader;
  if (handled_by_runner() && interrupts == 0 && loop != nullptr && !loop->in_selector && !own &&
      waiting.waker != Waker::running)
    return partly(
        "the first SIGINT only cancels the main task, which cannot act while its loop is blocked; the second "
        "raises");
  if (handled_by_runner() && loop != nullptr)
    for (const auto& scope : loop->cancel_scopes)
      if (scope.delivering)
        return partly(
            "the first SIGINT only cancels the main task, which is cancelled already and waits for a task that does "
            "not take its cancellation; the next raises, and then the exit waits for that task again");
  if (handled_by_runner() && interrupts > 0 && loop != nullptr)
    for (const auto& task : loop->tasks)
      if (task.cancels.value_or(0) > 0 && task.handles_cancel == false && !task.waits_for_tasks)
        return partly(
            fmt::format("task {} has caught one cancellation already; the next SIGINT raises, but then the exit "
                        "cancels and awaits that task again",
                        task.name));
  if (const std::string why = joined_by_exit(); !why.empty()) return partly(why);
  if (const std::string why = child_joined_by_exit(); !why.empty()) return partly(why);
  if (const std::string why = closed_by_exit(); !why.empty())
    return process_.python().exit_closes_interpreters ? die(7, title, why) : doubt(7, title, why);
  if (process_.main_exits()) return add(7, title, Mark::ok, "it ends the wait for the threads, and the exit goes on");
  add(7, title, Mark::ok, "nothing seen that would hold it back");
}

void Walk::finish() {
  if (dead_) return;
  if (doubt_) {
    result_.answer = Answer::unknown;
    result_.step = doubt_->first;
    result_.why = doubt_->second;
  } else if (partly_) {
    result_.answer = Answer::partly;
    result_.step = 7;
    result_.why = *partly_;
  } else {
    result_.answer = Answer::yes;
    result_.why = default_action() ? "SIGINT has the kernel's default action and ends the process"
                                   : "every step is open: the main thread gets to run the handler";
  }
}

void describe_unix(const facts::Snapshot& snapshot, const facts::UnixSocketFacts& writer, WakeupState& state) {
  for (const auto& fd : snapshot.kernel.fds) {
    if (!fd.unix_socket || fd.unix_socket->inode != writer.peer_inode.value_or(0) || fd.unix_socket->inode == 0)
      continue;
    state.reader_fd = fd.fd;
    state.unread = fd.unix_socket->rqueue;
  }
  if (writer.wmem_alloc && writer.sndbuf) {
    state.full = *writer.wmem_alloc >= *writer.sndbuf;
    const std::uint64_t left = *state.full ? 0 : *writer.sndbuf - *writer.wmem_alloc;
    state.room = (left + kUnixSendCost - 1) / kUnixSendCost;
  }
  if (!state.unread) {
    state.words = state.full == true ? "full: one more byte would be dropped" : "its reader is not in this process";
    return;
  }
  state.words =
      fmt::format("{} byte{} unread in fd {}", *state.unread, *state.unread == 1 ? "" : "s", *state.reader_fd);
  if (state.full == true) state.words = fmt::format("full, {}: the next byte is dropped", state.words);
  if (state.full == false) state.words += fmt::format(", {} more fit", *state.room);
}

}  // namespace

WakeupState wakeup_state(const facts::Snapshot& snapshot) {
  WakeupState state;
  if (!snapshot.python || !snapshot.python->signals.wakeup_fd) return state;
  state.fd = *snapshot.python->signals.wakeup_fd;
  state.set = state.fd >= 0;
  if (!state.set) return state;
  if (!snapshot.kernel.fds_known) {
    state.words = "its queue is kernel state, not known here";
    return state;
  }
  const auto* fd = snapshot.fd(state.fd);
  if (fd == nullptr) {
    state.words = "this descriptor is not open: every byte is lost";
    return state;
  }
  if (fd->unix_socket) {
    describe_unix(snapshot, *fd->unix_socket, state);
  } else if (fd->pipe && fd->pipe->unread && fd->pipe->capacity) {
    state.unread = fd->pipe->unread;
    // A pipe takes one page per write that cannot be merged; one-byte writes merge, so bytes are what counts here.
    state.full = *state.unread >= *fd->pipe->capacity;
    state.room = *state.full ? 0 : *fd->pipe->capacity - *state.unread;
    state.words = fmt::format("{} of {} bytes unread in the pipe", *state.unread, *fd->pipe->capacity);
    for (const auto& other : snapshot.kernel.fds)
      if (other.pipe && other.fd != fd->fd && other.pipe->inode == fd->pipe->inode) state.reader_fd = other.fd;
  } else {
    state.words = fmt::format("{}: how full it is cannot be read", fd->target);
  }
  return state;
}

namespace {

bool contains(const std::vector<int>& numbers, int number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

// The same number as the loop's, but another file since.
std::string disconnected(const Process& process, const facts::LoopFacts& loop) {
  const auto* writer = process.facts().fd(*process.python().signals.wakeup_fd);
  const auto* reader = loop.wakeup_reader ? process.facts().fd(*loop.wakeup_reader) : nullptr;
  if (!process.facts().kernel.fds_known || !loop.wakeup_reader) return {};
  if (writer == nullptr) return fmt::format("the wakeup fd {} is not open", *process.python().signals.wakeup_fd);
  if (reader == nullptr)
    return fmt::format("the loop's end of the wakeup pair, fd {}, is not open", *loop.wakeup_reader);
  if (!writer->unix_socket || !reader->unix_socket || !writer->unix_socket->peer_inode) return {};
  if (*writer->unix_socket->peer_inode != reader->unix_socket->inode)
    return fmt::format("the wakeup fd {} is no longer connected to the loop's fd {}", writer->fd, reader->fd);
  return {};
}

// Another process that has the reading end of the wakeup pair: after fork() both have it.
std::string shared_with(const Process& process) {
  const auto* writer = process.facts().fd(process.python().signals.wakeup_fd.value_or(-1));
  if (writer == nullptr || !writer->unix_socket) return {};
  for (const auto& holder : writer->unix_socket->peer_holders)
    if (holder.pid != process.facts().target.pid)
      return fmt::format(", which process {} ({}) reads too: after a fork both have the pair", holder.pid, holder.comm);
  return {};
}

}  // namespace

bool acts_on_the_byte(const facts::SignalFacts& signals) {
  return signals.sigint_handler_name.ends_with("_sighandler_noop");
}

std::string misrouted(const Process& process) {
  const auto& signals = process.python().signals;
  if (!acts_on_the_byte(signals) || !signals.wakeup_fd) return {};
  if (*signals.wakeup_fd < 0)
    return "no wakeup fd is set, and the handler that asyncio installed does nothing by itself";
  const auto* loop = process.loop_of(process.main_tid());
  if (loop == nullptr)
    return fmt::format(
        "the handler that asyncio installed does nothing by itself, the main thread runs no loop, and the byte goes to "
        "fd {}{}",
        *signals.wakeup_fd, shared_with(process));
  if (loop->kind != facts::LoopKind::asyncio || !contains(loop->signal_handlers, kSigint)) return {};
  if (loop->wakeup_writer && *signals.wakeup_fd != *loop->wakeup_writer)
    return fmt::format("the wakeup fd is {}, but the loop reads the other end of fd {}", *signals.wakeup_fd,
                       *loop->wakeup_writer);
  if (!loop->in_selector && process.is_inherited(*loop))
    return fmt::format("the byte goes into a pair{}", shared_with(process));
  return disconnected(process, *loop);
}

CtrlC walk_signal_path(const Process& process, const WaitGraph& graph) {
  return Walk(process, graph).run();
}

}  // namespace hang::verdict
