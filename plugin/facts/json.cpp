#include "facts/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "facts/names.h"

// An optional is null in JSON: "not read" survives the round trip.
template <typename T>
struct nlohmann::adl_serializer<std::optional<T>> {
  static void to_json(json& j, const std::optional<T>& value) { j = value ? json(*value) : json(nullptr); }
  static void from_json(const json& j, std::optional<T>& value) {
    value = j.is_null() ? std::nullopt : std::optional<T>(j.get<T>());
  }
};

// A thread state letter is one character of text, not a number.
template <>
struct nlohmann::adl_serializer<char> {
  static void to_json(json& j, const char& value) { j = std::string(1, value); }
  static void from_json(const json& j, char& value) {
    const auto& text = j.get_ref<const std::string&>();
    value = text.empty() ? '?' : text.front();
  }
};

namespace hang::facts {

template <Named Enum>
void to_json(nlohmann::json& j, const Enum& value) {
  j = std::string(name_of(value));
}

template <Named Enum>
void from_json(const nlohmann::json& j, Enum& value) {
  const auto& name = j.get_ref<const std::string&>();
  auto known = from_name<Enum>(name);
  if (!known) throw nlohmann::json::other_error::create(501, "unknown name \"" + name + "\"", &j);
  value = *known;
}

#define HANG_JSON NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT
HANG_JSON(Reading, key, field, address, value, source)
HANG_JSON(Gap, what, why, would_decide)
HANG_JSON(TargetFacts, kind, pid, exe, host, stopped_us, stopped_by_host, one_instant, died)
HANG_JSON(Wait, kind, syscall, name, args, fd, fds, futex, pid, timeout_ms, signals)
HANG_JSON(NativeFrame, pc, function, symbol, module)
HANG_JSON(ThreadFacts, tid, ns_tid, comm, state, wait, cpu_ns, voluntary_switches, involuntary_switches, sig_blk,
          sig_pnd, pc, native_symbol, native_module, native_frames, takes_gil)
HANG_JSON(NativeLockFacts, futex, kind, owner, recorded, evidence)
HANG_JSON(ChildFacts, pid, ns_pid, comm, state)
HANG_JSON(ProcessFacts, state, ppid, pgrp, session, tty_nr, tpgid, tracer_pid, sig_ign, sig_cgt, shd_pnd, start_ticks,
          cmdline, children)
HANG_JSON(Holder, pid, fd, comm, readable, writable)
HANG_JSON(UnixSocketFacts, inode, type, state, path, peer_inode, peer_holders, holders_complete, strangers_unread,
          rqueue, wqueue, wmem_alloc, sndbuf, rcvbuf, shutdown)
HANG_JSON(InetSocketFacts, protocol, local, remote, state, rqueue, wqueue, peer_local, peer_holders, unaccepted,
          last_data_recv_ms, last_data_sent_ms, retransmits, keepalive)
HANG_JSON(PipeFacts, inode, unread, capacity, readers, writers, holders_complete, strangers_unread)
HANG_JSON(EpollWatch, fd, events, inode)
HANG_JSON(FdFacts, fd, type, target, inode, readable, writable, cloexec, unix_socket, inet, pipe, epoll, pid, timer_ms,
          signals)
HANG_JSON(NeighbourFacts, pid, comm, exists, process, threads, threads_known, fds, fds_known, moved, looked_ms,
          why_unknown)
HANG_JSON(KernelFacts, process, fds, fds_known, neighbours)
HANG_JSON(FrameFacts, address, function, file, line, entry, instruction, handler)
HANG_JSON(Polling, frame, what, sends, endless)
HANG_JSON(LockHolder, tstate, frame)
HANG_JSON(LockFacts, object, type, name, waiter, owner, held_by, named_by)
HANG_JSON(CaughtInterrupt, frame, by, line, resumes)
HANG_JSON(ThreadStateFacts, address, interpreter, tid, thread_id, name, daemon, bound_gilstate, attached, drop_request,
          frames, frames_complete, at_call, polling, joins, pool, child, only_sleeps, interrupt)
HANG_JSON(InterpreterFacts, id, address, is_main, gil, own_gil, shares_main_gil, legacy, running_main, whence,
          finalizing, finalized_by)
HANG_JSON(GilFacts, address, locked, last_holder, switch_number, interval_us, cond, cond_size, mutex, mutex_size,
          interpreters, drop_request_seen_by_holder)
HANG_JSON(SignalFacts, wakeup_fd, warn_on_full_buffer, is_tripped, tripped, sigint_tripped, sigint_handler,
          sigint_handler_name, sigint_handler_file, sigint_handler_line, runner_interrupt_count)
HANG_JSON(ParkedFacts, on, object, type, fd, writing, pid, items, limit, open_senders, open_receivers, available, tasks,
          any, could_end, searched)
HANG_JSON(TaskFacts, object, name, main, system, frames, waits_on, waits_for_tasks, parked, parent, cancels, bounded,
          handles_cancel, shielded, unstoppable, child, child_ended)
HANG_JSON(QueuedFacts, object, what, file, line, task, cancelled)
HANG_JSON(CancelScopeFacts, object, delivering, tasks)
HANG_JSON(WatchedFd, fd, accepts)
HANG_JSON(LoopFacts, kind, type, tid, tstate, interpreter, run_function, object, in_selector, user_frame, ready, queued,
          scheduled, tasks, tasks_known, task_count, wakeup_reader, wakeup_writer, own_fds, epfd, watched,
          signal_handlers, cancel_scopes, is_guest, host, stopping, closed, interrupt_pending, executor, wakers,
          wakers_searched)
HANG_JSON(ChannelUser, tstate, task, sends, receives, waits_to_send, waits_to_receive)
HANG_JSON(ChannelFacts, kind, object, type, id, items, limit, open_senders, open_receivers, closed, fds, users,
          interpreters, searched)
HANG_JSON(FdOwner, fd, object, type, interpreter, tstate, task)
HANG_JSON(AwaitedFacts, waiter, frame, object, type, any, by, provider, task, seen)
HANG_JSON(PythonFacts, version, hexversion, build, library, runtime, providers, finalizing, exit_closes_interpreters,
          main_tid, interpreters, thread_states, gils, signals, loops, other_loops, locks, awaited, channels,
          channels_known, fd_owners, fd_owners_complete, exit_joins)
HANG_JSON(NativeSample, symbol, module, count)
HANG_JSON(ThreadWatch, tid, cpu_ns, voluntary_switches, involuntary_switches, reads, running_reads, wait_changed,
          samples, native)
HANG_JSON(StateWatch, tstate, reads, changes)
HANG_JSON(GilWatch, gil, reads, locked_reads, holder_changes, switches, let_go)
HANG_JSON(Watch, ms, skipped, at_rest, threads, states, gils)
HANG_JSON(Snapshot, schema_version, taken_at, target, threads, native_locks, kernel, python, watch, readings, gaps)
#undef HANG_JSON

std::string to_json_text(const Snapshot& snapshot) {
  // Names read from a process need not be UTF-8; replacing beats refusing.
  return nlohmann::json(snapshot).dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

namespace {

// Facts refer to each other by index. What was written by us is right; a file may say anything.
std::string wrong_index(const Snapshot& snapshot) {
  if (!snapshot.python) return {};
  const auto& python = *snapshot.python;
  const auto gils = static_cast<int>(python.gils.size());
  for (const auto& interpreter : python.interpreters)
    if (interpreter.gil < -1 || interpreter.gil >= gils) return fmt::format("gil {}", interpreter.gil);
  for (const auto& thread : snapshot.threads)
    if (thread.takes_gil && (*thread.takes_gil < 0 || *thread.takes_gil >= gils))
      return fmt::format("gil {} of thread {}", *thread.takes_gil, thread.tid);
  for (const auto& watch : snapshot.watch.gils)
    if (watch.gil < 0 || watch.gil >= gils) return fmt::format("watch of gil {}", watch.gil);
  for (const auto& state : python.thread_states)
    if (state.polling && state.polling->frame >= state.frames.size())
      return fmt::format("polling frame {}", state.polling->frame);
  for (const auto& state : python.thread_states)
    if (state.interrupt && state.interrupt->frame >= state.frames.size())
      return fmt::format("frame {} of a handler", state.interrupt->frame);
  for (const auto& loop : python.loops) {
    const auto* state = snapshot.thread_state(loop.tstate);
    const auto frames = state == nullptr ? 0 : static_cast<int>(state->frames.size());
    if (loop.user_frame && (*loop.user_frame < 0 || *loop.user_frame >= frames))
      return fmt::format("user_frame {}", *loop.user_frame);
  }
  const auto frames_of = [&](std::uint64_t tstate) {
    const auto* state = snapshot.thread_state(tstate);
    return state == nullptr ? std::size_t{0} : state->frames.size();
  };
  for (const auto& lock : python.locks) {
    for (const auto& holder : lock.held_by)
      if (holder.frame >= frames_of(holder.tstate)) return fmt::format("frame {} of a lock's holder", holder.frame);
    for (const auto frame : lock.named_by)
      if (frame >= frames_of(lock.waiter)) return fmt::format("frame {} of a lock's waiter", frame);
  }
  for (const auto& awaited : python.awaited) {
    const auto* state = snapshot.thread_state(awaited.waiter);
    if (state != nullptr && awaited.frame >= state->frames.size())
      return fmt::format("waiting frame {}", awaited.frame);
  }
  return {};
}

}  // namespace

Result<Snapshot> from_json_text(std::string_view text) try {
  auto parsed = nlohmann::json::parse(text);
  int version = parsed.value("schema_version", 0);
  if (version != kSchemaVersion) {
    return Error{ErrorKind::io,
                 fmt::format("facts have schema_version {}, this hang reads {}", version, kSchemaVersion)};
  }
  auto snapshot = parsed.get<Snapshot>();
  if (const auto wrong = wrong_index(snapshot); !wrong.empty())
    return Error{ErrorKind::io, fmt::format("not a facts file: {} points at nothing", wrong)};
  return snapshot;
} catch (const nlohmann::json::exception& failure) {
  return Error{ErrorKind::io, fmt::format("not a facts file: {}", failure.what())};
}

}  // namespace hang::facts
