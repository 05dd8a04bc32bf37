// hang interpreters, threads, gil, signals, channels as text.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "facts/names.h"
#include "report/channels_text.h"
#include "report/loops_text.h"
#include "report/paint.h"
#include "report/report.h"
#include "verdict/gil_grip.h"
#include "verdict/signal_path.h"
#include "verdict/wait_graph.h"

namespace hang::report {

using verdict::Process;
using verdict::WaitGraph;

namespace {

std::string yes_no(const std::optional<bool>& value) {
  return !value ? "?" : *value ? "yes" : "no";
}

std::string wait_words(const facts::ThreadFacts& thread) {
  const auto& wait = thread.wait;
  if (wait.kind == facts::WaitKind::none) return "running";
  if (wait.kind == facts::WaitKind::unknown) return "?";
  std::string words = wait.name.empty() ? fmt::format("syscall {}", wait.syscall) : wait.name;
  if (wait.fd) words += fmt::format(" fd {}", *wait.fd);
  if (wait.timeout_ms && !verdict::is_endless(wait))
    words += fmt::format(", {} left", verdict::duration(double(*wait.timeout_ms)));
  return words;
}

std::string gil_word(const Process& process, const WaitGraph& graph, std::uint64_t tid) {
  if (auto gil = process.waits_for_gil(tid)) return fmt::format("waits {}", *gil);
  for (const auto& grip : graph.grips())
    if (grip.holder != nullptr && grip.holder->tid == tid) return fmt::format("HOLDS {}", grip.gil);
  return "-";
}

// _PyInterpreterState_WHENCE_* (Include/internal/pycore_interp.h, 3.13+): who made the interpreter.
std::string whence_words(const facts::InterpreterFacts& interpreter) {
  static constexpr const char* kWords[] = {
      "unknown", "the runtime", "Py_NewInterpreter", "C API", "C API (cross-interpreter)", "the standard library"};
  if (!interpreter.whence) return "not recorded";
  const auto index = static_cast<std::size_t>(*interpreter.whence);
  return index < std::size(kWords) ? kWords[index] : "?";
}

// Is it being closed, does somebody run code in it, or is it just there?
std::string interpreter_state(const Process& process, const facts::InterpreterFacts& interpreter) {
  for (auto tid : process.python_tids())
    if (process.closes(tid) == &interpreter) return fmt::format("closing, by {}", tid);
  if (interpreter.finalizing == true) return "closing";
  if (interpreter.is_main && process.main_exits()) return "exiting";
  if (interpreter.is_main && process.python().finalizing == true) return "finalizing";
  const auto& states = process.python().thread_states;
  const bool runs = std::any_of(states.begin(), states.end(), [&](const auto& state) {
    return state.interpreter == interpreter.id && !state.frames.empty();
  });
  if (interpreter.running_main == true) return "in use";
  return runs ? "has threads" : "idle";
}

std::string gil_of(const facts::InterpreterFacts& interpreter) {
  std::string gil = interpreter.gil < 0 ? "?" : std::to_string(interpreter.gil);
  if (!interpreter.is_main && interpreter.shares_main_gil == true) gil += " (main's)";
  if (interpreter.own_gil == true && !interpreter.is_main) gil += " (own)";
  return gil;
}

std::string interpreters(const facts::Snapshot& snapshot, const Style& style) {
  Table table({"ID", "KIND", "STATE", "GIL", "CONFIGURED", "MADE BY", "THREADS", "RUNS"});
  const Process process(snapshot);
  std::vector<const facts::InterpreterFacts*> list;
  for (const auto& interpreter : snapshot.python->interpreters) list.push_back(&interpreter);
  std::sort(list.begin(), list.end(), [](const auto* a, const auto* b) { return a->id < b->id; });
  for (const auto* interpreter : list) {
    std::string runs = "-";
    int threads = 0;
    for (const auto& state : snapshot.python->thread_states) {
      if (state.interpreter != interpreter->id) continue;
      ++threads;
      const auto* frame = verdict::user_frame(state.frames);
      if (frame != nullptr && (runs == "-" || state.tid == process.main_tid()))
        runs = fmt::format("{} · {}", process.thread_label(state.tid), verdict::frame_label(*frame));
    }
    table.row({std::to_string(interpreter->id), interpreter->is_main ? "main" : "sub",
               interpreter_state(process, *interpreter), gil_of(*interpreter),
               interpreter->is_main   ? "-"
               : !interpreter->legacy ? "not recorded"
               : *interpreter->legacy ? "legacy"
                                      : "isolated",
               whence_words(*interpreter), std::to_string(threads), runs});
  }
  return table.text(style);
}

std::string threads(const facts::Snapshot& snapshot, const Style& style) {
  const Process process(snapshot);
  const WaitGraph graph(process, gil_grips(process));
  const Paint paint(style);
  std::string out;
  Table table({"TID", "NAME", "STATE", "INTERPRETER", "GIL", "CPU", "WAIT", "AT"});
  for (const auto& thread : snapshot.threads) {
    std::string name = thread.comm, interpreters_of = "-", at = thread.native_symbol;
    std::vector<std::int64_t> ids;
    for (const auto* state : process.states_of(thread.tid)) {
      if (!state->name.empty()) name = state->name;
      ids.push_back(state->interpreter);
    }
    std::sort(ids.begin(), ids.end());
    if (!ids.empty()) interpreters_of = fmt::format("{}", fmt::join(ids, ","));
    if (const auto* state = process.current_state(thread.tid))
      if (const auto* frame = verdict::user_frame(state->frames)) at = verdict::frame_label(*frame);
    table.row({std::to_string(thread.tid), name, thread.state ? std::string(1, *thread.state) : "?", interpreters_of,
               gil_word(process, graph, thread.tid),
               thread.cpu_ns ? verdict::duration(static_cast<double>(*thread.cpu_ns) / 1e6) : "?", wait_words(thread),
               at});
  }
  out += table.text(style);
  if (!style.verbose) return out + paint.dim("Stacks: --verbose") + "\n";
  for (const auto& state : snapshot.python->thread_states) {
    if (state.frames.empty()) continue;
    out += fmt::format("\n{} · interpreter {} · tstate {}\n", paint.bold(process.thread_label(state.tid)),
                       state.interpreter, RemoteAddr(state.address).hex());
    for (const auto& frame : state.frames) out += fmt::format("    {}\n", printable(verdict::frame_label(frame)));
    if (!state.frames_complete) out += "    ... (cut short)\n";
  }
  return out;
}

std::string grip_words(verdict::Grip grip) {
  switch (grip) {
    case verdict::Grip::unknown: return "not read";
    case verdict::Grip::free: return "free";
    case verdict::Grip::passing: return "changes hands";
    case verdict::Grip::held: return "held";
    case verdict::Grip::hogged: return "held and not given back";
  }
  return "?";
}

// For how long it has not changed hands, as far as that was watched.
std::string not_switched(const facts::Snapshot& snapshot, const verdict::GilGrip& grip) {
  const auto* watch = snapshot.gil_watch(grip.gil);
  if (snapshot.watch.ms <= 0 || watch == nullptr)
    return fmt::format("since when: not known from one sample ({})", snapshot.watch.skipped);
  const auto length = verdict::duration(snapshot.watch.ms);
  if (watch->switches > 0)
    return fmt::format("switched {} times in {}, {:.0f} times a second", watch->switches, length,
                       1000.0 * static_cast<double>(watch->switches) / snapshot.watch.ms);
  if (watch->locked_reads == watch->reads && watch->holder_changes == 0)
    return fmt::format("not switched for at least {}: locked by the same thread in all {} reads", length, watch->reads);
  return fmt::format("not switched in {}, locked in {} of {} reads", length, watch->locked_reads, watch->reads);
}

std::string gil(const facts::Snapshot& snapshot, const Style& style) {
  const Process process(snapshot);
  const WaitGraph graph(process, gil_grips(process));
  const Paint paint(style);
  std::string out;
  for (const auto& grip : graph.grips()) {
    const auto& words = snapshot.python->gils[grip.gil];
    out += paint.bold(fmt::format("GIL {}", grip.gil)) +
           fmt::format(" at {} · interpreters {} · {}\n", RemoteAddr(words.address).hex(),
                       fmt::join(words.interpreters, ", "),
                       grip.grip == verdict::Grip::hogged ? paint.red(grip_words(grip.grip)) : grip_words(grip.grip));
    out += fmt::format("  locked {} · switch_number {} · switch interval {}\n", yes_no(words.locked),
                       words.switch_number ? std::to_string(*words.switch_number) : "?",
                       words.interval_us ? fmt::format("{} us", *words.interval_us) : "?");
    if (grip.holder != nullptr) {
      const auto* frame = verdict::user_frame(grip.holder->frames);
      out += fill(fmt::format("held by {} in interpreter {}{}", process.thread_label(grip.holder->tid),
                              grip.holder->interpreter, frame != nullptr ? " · " + verdict::frame_label(*frame) : ""),
                  style.width, 2, 4) +
             "\n";
    }
    out += fill(not_switched(snapshot, grip), style.width, 2, 4) + "\n";
    for (auto tid : grip.waiters) out += fmt::format("  waited for by {}\n", process.thread_label(tid));
    for (const auto& line : grip.because) out += fill(line, style.width, 4, 2) + "\n";
  }
  return out;
}

// The loop that the wakeup fd belongs to; null if none that was found.
const facts::LoopFacts* wakeup_owner(const facts::Snapshot& snapshot, int fd) {
  for (const auto& loop : snapshot.python->loops)
    if (loop.wakeup_writer == fd) return &loop;
  return nullptr;
}

// What becomes of the signal if the byte does not fit: CPython sets its flags first and writes then (trip_signal,
// Modules/signalmodule.c); only a loop that decodes the bytes needs them.
std::string if_dropped(const facts::Snapshot& snapshot) {
  return verdict::acts_on_the_byte(snapshot.python->signals)
             ? "the signal is lost: this loop acts on the byte only (add_signal_handler)"
             : "the signal is not lost: the flags stay set, and the handler runs when the main thread runs bytecode";
}

std::string wakeup_lines(const facts::Snapshot& snapshot, const Style& style) {
  const Process process(snapshot);
  const auto& s = snapshot.python->signals;
  const auto wakeup = verdict::wakeup_state(snapshot);
  auto line = [&](const char* name, const std::string& text) {
    return fmt::format("{:<14} ", name) + fill(printable(text), style.width, 15).substr(15) + "\n";
  };
  if (!s.wakeup_fd) return line("wakeup fd", "not read");
  if (!wakeup.set) return line("wakeup fd", "-1: none is set (normal without a loop that wants one)");
  std::string out = line("wakeup fd", fmt::format("{} · {}", wakeup.fd, wakeup.words));
  const auto* owner = wakeup_owner(snapshot, wakeup.fd);
  out += line("  belongs to", owner == nullptr ? "no event loop that was found"
                                               : fmt::format("the {} loop of {}", name_of(owner->kind),
                                                             process.thread_label(owner->tid)));
  out +=
      line("  read by", wakeup.reader_fd ? fmt::format("fd {}", *wakeup.reader_fd) : "not known, or another process");
  out += line("  unread", wakeup.unread ? fmt::format("{} bytes", *wakeup.unread) : "not known");
  out += line("  room", wakeup.room ? fmt::format("{} more bytes fit", *wakeup.room) : "not known");
  out += line("  next SIGINT", !wakeup.full   ? "whether its byte fits is not known"
                               : *wakeup.full ? "its byte would be dropped"
                                              : "its byte fits");
  out += line("  if dropped", if_dropped(snapshot));
  return out + line("warn on full", yes_no(s.warn_on_full_buffer));
}

std::string signals(const facts::Snapshot& snapshot, const Style& style) {
  const Process process(snapshot);
  const WaitGraph graph(process, gil_grips(process));
  const auto path = verdict::walk_signal_path(process, graph);
  const auto& s = snapshot.python->signals;
  const Paint paint(style);
  std::string out = paint.bold("SIGINT") + fmt::format(" · would end the hang: {}{}\n", verdict::to_string(path.answer),
                                                       path.step ? fmt::format(" (step {})", *path.step) : "");
  Table table({"STEP", "", "MARK", "EVIDENCE"});
  auto mark = [](verdict::Mark m) {
    switch (m) {
      case verdict::Mark::ok: return "ok";
      case verdict::Mark::full: return "FULL";
      case verdict::Mark::dead: return "DEAD";
      case verdict::Mark::unknown: return "?";
      case verdict::Mark::not_reached: return "-";
    }
    return "?";
  };
  for (const auto& step : path.steps)
    table.row({std::to_string(step.number), step.title, mark(step.mark), step.evidence});
  Style wide = style;
  wide.verbose = true;
  out += table.text(wide);
  out += "\n" + wakeup_lines(snapshot, style);
  out += fmt::format("is_tripped     {}\n", yes_no(s.is_tripped));
  out += fmt::format("tripped        {}\n", s.tripped.empty() ? "none" : fmt::format("{}", fmt::join(s.tripped, ", ")));
  std::string handler = s.sigint_handler_name.empty() ? std::string(name_of(s.sigint_handler)) : s.sigint_handler_name;
  if (!s.sigint_handler_file.empty()) handler += fmt::format(" · {}:{}", s.sigint_handler_file, s.sigint_handler_line);
  return out + fmt::format("SIGINT handler {}\n", printable(handler));
}

}  // namespace

std::string listing_text(Listing listing, const facts::Snapshot& snapshot, const Style& style) {
  if (!snapshot.python) return "The snapshot has no CPython facts.\n";
  switch (listing) {
    case Listing::interpreters: return interpreters(snapshot, style);
    case Listing::threads: return threads(snapshot, style);
    case Listing::gil: return gil(snapshot, style);
    case Listing::signals: return signals(snapshot, style);
    case Listing::loops: return loops_text(snapshot, style);
    case Listing::channels: return channels_text(snapshot, style);
  }
  return {};
}

}  // namespace hang::report
