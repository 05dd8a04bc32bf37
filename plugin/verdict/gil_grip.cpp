#include "verdict/gil_grip.h"

#include <algorithm>
#include <fmt/format.h>

namespace hang::verdict {

using facts::WaitKind;

namespace {

// A waiter asks for the GIL every switch interval (5 ms); the eval loop answers at its next check. Long C calls of a
// healthy program are tens of milliseconds, so certainty needs a watch that is long beside both.
constexpr double kCertainMs = 400, kLikelyMs = 40;
constexpr double kBusyShare = 0.3;  // of one CPU: the holder computes (less on a loaded machine)

bool is_blocking(const facts::Wait& wait) {
  const bool wakes_others = wait.kind == WaitKind::other && wait.name == "futex";
  return wait.kind != WaitKind::none && wait.kind != WaitKind::unknown && !wakes_others;
}

// _PyEval_EvalFrameDefault; 3.14+ may have a function for each opcode (_TAIL_CALL_CALL, Python/ceval_macros.h).
bool is_bytecode_loop(const std::string& symbol) {
  return symbol.starts_with("_PyEval_EvalFrame") || symbol.starts_with("_TAIL_CALL_");
}

// Samples of the program counter in the loop that runs bytecode, and in functions that are certainly not that loop. The
// rest has no name: the functions of opcodes in a stripped build, or code of the JIT.
struct Samples {
  int in_bytecode = 0, elsewhere = 0;
};

Samples samples_of(const facts::ThreadWatch* watch) {
  Samples samples;
  if (watch != nullptr)
    for (const auto& native : watch->native)
      (is_bytecode_loop(native.symbol) ? samples.in_bytecode : samples.elsewhere) += native.count;
  return samples;
}

// A frame that stands still is inside one C call, or in a loop of one instruction (`while True: pass`), which gives the
// GIL to whoever asks. So a C call has to be proved: by the instruction, which calls, or by where the thread was seen.
void describe_still_frame(const Process& process, GilGrip& grip) {
  const auto* watch = process.facts().thread_watch(grip.holder->tid);
  const Samples samples = samples_of(watch);
  grip.in_bytecode = samples.in_bytecode;
  if (samples.in_bytecode > 0) {
    grip.because.push_back(fmt::format("seen running bytecode in {} of {} samples", grip.in_bytecode, watch->samples));
    return;
  }
  grip.native = grip.holder->at_call == true || (watch != nullptr && samples.elsewhere * 2 > watch->samples);
  grip.doubtful = !grip.native;
}

// What the holder's thread does while it has the GIL.
void describe_holder(const Process& process, GilGrip& grip) {
  const auto& facts = process.facts();
  const auto* thread = process.thread(grip.holder->tid);
  if (thread == nullptr) return;
  grip.blocked = is_blocking(thread->wait) && thread->state != 'R';
  grip.on_native_lock = grip.blocked && thread->wait.kind == WaitKind::futex;
  if (grip.blocked)
    grip.because.push_back(fmt::format("the holder sleeps in {} with the GIL in hand", thread->wait.name));
  const auto* moved = facts.state_watch(grip.holder->address);
  grip.native = grip.blocked;
  if (!grip.blocked && moved != nullptr && moved->reads > 1 && moved->changes == 0) describe_still_frame(process, grip);
}

// The eval loop of this holder would never see the waiters' request (docs/shapes/S1.md).
bool is_deaf(const Process& process, const GilGrip& grip) {
  const auto& gil = process.python().gils[grip.gil];
  const auto* main = process.main_interpreter();
  // The waiter that counts is the main thread, as what it is now: inside the holder's interpreter it is heard.
  const auto* waiter = process.current_state(process.main_tid());
  if (waiter != nullptr && !waiter->frames.empty() && waiter->interpreter == grip.holder->interpreter) return false;
  return gil.drop_request_seen_by_holder == false && main != nullptr && grip.holder->interpreter != main->id;
}

// Waiters that have had a fair share of CPU: signs of a GIL that changes hands.
int shared_cpu(const Process& process, const GilGrip& grip) {
  const auto* holder = process.thread(grip.holder->tid);
  int sharing = 0;
  for (auto tid : grip.waiters) {
    const auto* waiter = process.thread(tid);
    if (waiter != nullptr && holder != nullptr && waiter->cpu_ns && holder->cpu_ns &&
        *waiter->cpu_ns * 4 > *holder->cpu_ns)
      ++sharing;
  }
  return sharing;
}

void judge_one_sample(const Process& process, GilGrip& grip) {
  const auto* thread = process.thread(grip.holder->tid);
  const auto& signals = process.python().signals;
  const bool main_waits = std::find(grip.waiters.begin(), grip.waiters.end(), process.main_tid()) != grip.waiters.end();
  const bool cross =
      !grip.deaf && process.main_interpreter() != nullptr && grip.holder->interpreter != process.main_interpreter()->id;
  // The bytecode loop on top means bytecode, and bytecode answers drop requests. A frame that stands at a call, with
  // the program counter elsewhere, is inside a C function: it may be long.
  const bool in_eval = thread != nullptr && is_bytecode_loop(thread->native_symbol);
  const bool in_call = grip.holder->at_call == true && thread != nullptr && !thread->native_symbol.empty() && !in_eval;
  const bool asked = grip.holder->drop_request == true;
  grip.native = in_call || grip.blocked;
  grip.grip = Grip::held;
  // The memory of a process that ran on while it was copied: the GIL may have changed hands between two of the words.
  const auto& target = process.facts().target;
  const bool smeared = target.kind == facts::TargetKind::core && !target.one_instant;
  if (smeared && process.waits_for_gil(grip.holder->tid) == grip.gil) {
    grip.because.push_back("its holder waits for it, which a GIL that changes hands looks like in such a copy");
    return;
  }
  auto hogged = [&](Confidence confidence, std::string why) {
    grip.grip = Grip::hogged;
    grip.confidence = smeared ? Confidence::possible : confidence;
    grip.because.push_back(std::move(why));
  };
  if (main_waits && signals.is_tripped == true && signals.sigint_tripped == true && (!in_eval || grip.deaf)) {
    hogged(Confidence::likely, "SIGINT is tripped and the main thread waits for the GIL to act on it");
  } else if (grip.deaf && (main_waits || asked)) {
    hogged(Confidence::likely, "the main thread asks for the GIL and the holder cannot see it");
  } else if (grip.blocked && !grip.waiters.empty()) {
    hogged(Confidence::likely, "others wait for the GIL while its holder sleeps");
  } else if (grip.blocked || grip.deaf) {
    hogged(Confidence::possible, "one sample: it may be about to let go");
  } else if (cross && in_call && shared_cpu(process, grip) == 0) {
    hogged(Confidence::possible, fmt::format("one sample: inside {}, called from Python", thread->native_symbol));
  }
}

void judge_watch(const Process& process, GilGrip& grip, const facts::GilWatch& watch) {
  const auto& facts = process.facts();
  const bool kept =
      watch.reads > 1 && watch.locked_reads == watch.reads && watch.holder_changes == 0 && watch.switches == 0;
  if (!kept) {
    grip.grip = Grip::passing;
    grip.because.push_back(fmt::format("in {} it was free or changed hands ({} of {} reads locked, {} switches)",
                                       duration(facts.watch.ms), watch.locked_reads, watch.reads, watch.switches));
    return;
  }
  // Who cannot hear that somebody asks takes it back before the others wake.
  if (watch.let_go && !grip.deaf) {
    grip.grip = Grip::passing;
    grip.because.emplace_back("its holder gave it up and took it again");
    return;
  }
  const auto* cpu = facts.thread_watch(grip.holder->tid);
  // It computes: it had its share of a CPU, or on a crowded machine wanted one all the time and never slept.
  const bool busy = cpu != nullptr && cpu->cpu_ns > 0 &&
                    (static_cast<double>(cpu->cpu_ns) / 1e6 >= kBusyShare * facts.watch.ms ||
                     (cpu->running_reads == cpu->reads && cpu->voluntary_switches == 0));
  const bool asked = !grip.waiters.empty();
  grip.grip = Grip::held;
  // Asked and not given; or not asked, but inside one C call (or deaf), where nobody's asking would be heard.
  // The loop that runs bytecode comes by the place where it would notice that somebody asks.
  const bool would_not_give = asked || grip.native || grip.deaf;
  if (facts.watch.ms < kLikelyMs || !would_not_give || !(busy || grip.blocked || asked)) return;
  grip.grip = Grip::hogged;
  grip.confidence = facts.watch.ms >= kCertainMs && (asked || grip.deaf) ? Confidence::certain : Confidence::likely;
  grip.because.push_back(fmt::format("locked by the same thread in all {} reads over {}, switch_number unchanged",
                                     watch.reads, duration(facts.watch.ms)));
}

GilGrip grip_of(const Process& process, int index) {
  const auto& facts = process.facts();
  const auto& gil = process.python().gils[index];
  GilGrip grip;
  grip.gil = index;
  grip.watched_ms = facts.watch.ms;
  for (auto tid : process.python_tids())
    if (process.waits_for_gil(tid) == index) grip.waiters.push_back(tid);
  if (!gil.locked) return grip;
  const auto* watch = facts.gil_watch(index);
  if (!*gil.locked) {
    grip.grip = watch != nullptr && watch->locked_reads > 0 ? Grip::passing : Grip::free;
    return grip;
  }
  grip.holder = gil.last_holder ? facts.thread_state(*gil.last_holder) : nullptr;
  if (grip.holder == nullptr) return grip;
  describe_holder(process, grip);
  grip.deaf = is_deaf(process, grip);
  if (facts.watch.ms > 0 && watch != nullptr) {
    judge_watch(process, grip, *watch);
  } else {
    judge_one_sample(process, grip);
  }
  if (grip.grip == Grip::hogged && grip.deaf)
    grip.because.emplace_back(
        "the drop request is set on the waiter's interpreter, where the holder's eval loop does not look (CPython <= "
        "3.12)");
  return grip;
}

}  // namespace

std::vector<GilGrip> gil_grips(const Process& process) {
  std::vector<GilGrip> grips;
  for (std::size_t i = 0; i < process.python().gils.size(); ++i) grips.push_back(grip_of(process, static_cast<int>(i)));
  return grips;
}

}  // namespace hang::verdict
