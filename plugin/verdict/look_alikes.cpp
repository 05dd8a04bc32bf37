#include "verdict/look_alikes.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"
#include "verdict/signal_path.h"

namespace hang::verdict {
namespace {

const GilGrip* main_grip(const Case& c) {
  const int gil = c.process.main_gil();
  return gil < 0 ? nullptr : &c.graph.grips()[gil];
}

// The GIL is given back, so that nobody hogs it; "" if it is not, or not known.
std::string gil_is_given(const Case& c) {
  const auto* grip = main_grip(c);
  if (grip == nullptr) return {};
  if (grip->grip == Grip::free) return "the GIL is free";
  if (grip->grip == Grip::passing) return "the GIL changes hands";
  return {};
}

std::string not_s1(const Case& c) {
  const auto* grip = main_grip(c);
  const auto* main = c.process.main_interpreter();
  if (grip != nullptr && grip->holder != nullptr && main != nullptr && grip->holder->interpreter == main->id)
    return "the holder of the GIL runs the main interpreter";
  return gil_is_given(c);
}

std::string not_g3(const Case& c) {
  const auto* grip = main_grip(c);
  const auto* main = c.process.main_interpreter();
  if (grip != nullptr && grip->holder != nullptr && main != nullptr && grip->holder->interpreter != main->id)
    return fmt::format("the holder of the GIL runs interpreter {}, not the main one", grip->holder->interpreter);
  return gil_is_given(c);
}

std::string not_g1(const Case& c) {
  const auto* grip = main_grip(c);
  if (grip != nullptr && grip->holder != nullptr && grip->grip == Grip::hogged && !grip->on_native_lock)
    return fmt::format("the holder of the GIL {}",
                       grip->blocked ? "sleeps, but not on a lock" : "runs; it does not wait for a lock");
  if (grip != nullptr && grip->holder != nullptr && c.process.waits_for_gil(grip->holder->tid))
    return "the thread that waits is the holder itself";
  return gil_is_given(c);
}

std::string not_g2(const Case& c) {
  const auto* grip = main_grip(c);
  if (grip != nullptr && grip->holder != nullptr && c.process.waits_for_gil(grip->holder->tid) != grip->gil)
    return "the holder of the GIL does not wait for it";
  return gil_is_given(c);
}

std::string not_s2(const Case& c) {
  const auto* state = c.process.current_state(c.process.main_tid());
  const auto* main = c.process.main_interpreter();
  if (c.process.closes(c.process.main_tid()) != nullptr) return "the main thread is closing that interpreter";
  return state != nullptr && main != nullptr && state->interpreter == main->id
             ? "the main thread runs the main interpreter"
             : "";
}

std::string not_s3(const Case& c) {
  return c.process.python().signals.is_tripped == false ? "no signal waits to be handled (is_tripped is 0)" : "";
}

std::string not_s4(const Case& c) {
  const auto& signals = c.process.python().signals;
  if (!acts_on_the_byte(signals) && signals.sigint_handler != facts::HandlerKind::unknown)
    return "the handler of SIGINT acts by itself, without the byte";
  return misrouted(c.process).empty() && signals.wakeup_fd ? "the wakeup byte reaches the loop" : "";
}

std::string not_s5(const Case& c) {
  const bool dies = c.ctrl_c.step && (*c.ctrl_c.step == 1 || *c.ctrl_c.step == 2);
  const bool known = c.process.facts().kernel.process.sig_ign.has_value();
  return known && !dies ? "SIGINT is neither ignored nor blocked everywhere" : "";
}

std::string not_s7(const Case& c) {
  const auto* state = c.process.current_state(c.process.main_tid());
  return state != nullptr && !handler_frame(*state) ? "the main thread is in no signal handler" : "";
}

std::string not_k2(const Case& c) {
  const auto* state = c.process.current_state(c.process.main_tid());
  return state != nullptr && !finalizer_frame(*state) ? "the main thread is in no finalizer" : "";
}

std::string not_loop_asleep(const Case& c) {
  const auto* loop = c.process.loop_of(c.process.main_tid());
  if (!gil_is_given(c).empty() || main_grip(c) == nullptr) {
    if (loop == nullptr) return "the main thread runs no event loop";
    return loop->in_selector ? "" : "the loop does not sleep in its selector";
  }
  return "the GIL is held: the loop cannot run, whatever it waits for";
}

std::string not_l3(const Case& c) {
  const auto* loop = c.process.loop_of(c.process.main_tid());
  if (loop == nullptr) return "the main thread runs no event loop";
  return loop->in_selector ? "the loop sleeps in its selector, no task blocks it" : "";
}

std::string not_l5(const Case& c) {
  const auto* loop = c.process.loop_of(c.process.main_tid());
  return loop != nullptr && loop->ready == 0 ? "nothing is ready in the loop's queue" : "";
}

std::string not_l4(const Case& c) {
  const auto& awaited = c.process.awaited(c.process.main_tid());
  const auto* loop = c.process.loop_of(c.process.main_tid());
  if (loop != nullptr && loop->in_selector) return "the loop's thread waits in its selector, not for another's result";
  return awaited.empty() ? "the main thread waits for no future, event or answer" : "";
}

std::string not_l6(const Case& c) {
  const auto* loop = c.process.loop_of(c.process.main_tid());
  if (loop == nullptr) return "the main thread runs no event loop";
  const bool closes = std::any_of(loop->tasks.begin(), loop->tasks.end(), [](const auto& task) {
    return task.unstoppable == true || std::any_of(task.frames.begin(), task.frames.end(), [](const auto& frame) {
             return frame.function.ends_with(".shutdown_default_executor");
           });
  });
  return closes || !loop->tasks_known || !loop->in_selector ? "" : "no task waits for a thread that it may not abandon";
}

std::string not_l7(const Case& c) {
  const auto* loop = c.process.loop_of(c.process.main_tid());
  return loop != nullptr && loop->tasks_known && loop->cancel_scopes.empty() ? "no cancel scope of anyio was cancelled"
                                                                             : "";
}

std::string not_l8(const Case& c) {
  const auto* loop = c.process.loop_of(c.process.main_tid());
  const auto* reader = loop != nullptr && loop->wakeup_reader ? c.process.facts().fd(*loop->wakeup_reader) : nullptr;
  const bool whole = reader != nullptr && reader->unix_socket && reader->unix_socket->peer_inode.value_or(0) != 0;
  return whole ? "the loop's wakeup socket has its other end" : "";
}

std::string not_i1(const Case& c) {
  const auto* grip = main_grip(c);
  const auto* main = c.process.main_interpreter();
  const bool sub =
      grip != nullptr && main != nullptr && grip->grip == Grip::hogged && grip->holder->interpreter != main->id;
  return sub ? "the interpreter's thread holds the GIL; it does not just sleep" : "";
}

std::string not_i2(const Case& c) {
  for (auto tid : c.process.python_tids())
    if (c.process.closes(tid) != nullptr) return {};
  return "no thread is closing an interpreter";
}

std::string not_i3(const Case& c) {
  if (c.process.python().finalizing == true) return "finalization has begun; the threads were joined before";
  return c.process.main_exits() ? "" : "the main program has not ended";
}

std::string not_i4(const Case& c) {
  return c.process.python().finalizing == false ? "CPython is not being finalized" : "";
}

std::string not_i5(const Case& c) {
  const auto* state = c.process.current_state(c.process.main_tid());
  return state != nullptr && !state->polling ? "the main thread polls no queue between interpreters" : "";
}

std::string not_n1(const Case& c) {
  const auto state = c.process.facts().kernel.process.state;
  return state && state != 'T' && state != 't' ? fmt::format("the process is not stopped (state {})", *state) : "";
}

std::string not_n2(const Case& c) {
  const auto& watch = c.process.facts().watch;
  const auto* gil = c.process.main_gil() < 0 ? nullptr : c.process.facts().gil_watch(c.process.main_gil());
  if (watch.ms > 0 && gil != nullptr && gil->switches == 0 && gil->locked_reads == gil->reads)
    return fmt::format("in {} the GIL was never given away (switch_number did not move)", duration(watch.ms));
  return watch.at_rest ? "every thread sleeps, and none moved" : "";
}

std::string not_p5(const Case& c) {
  bool waits = false;
  for (const auto& loop : c.process.python().loops)
    for (const auto& task : loop.tasks) waits = waits || task.parked.on == facts::ParkedOn::process;
  return waits ? "" : "no task waits for the end of a child";
}

struct Discriminator {
  std::string_view id;
  std::string (*why)(const Case& c);
};
constexpr std::array<Discriminator, 27> kDiscriminators{
    {{"S1", not_s1},          {"S2", not_s2}, {"S3", not_s3},          {"S4", not_s4},          {"S5", not_s5},
     {"S7", not_s7},          {"K2", not_k2}, {"L1", not_loop_asleep}, {"L2", not_loop_asleep}, {"L3", not_l3},
     {"L4", not_l4},          {"L5", not_l5}, {"L6", not_l6},          {"L7", not_l7},          {"L8", not_l8},
     {"L9", not_loop_asleep}, {"G1", not_g1}, {"G2", not_g2},          {"G3", not_g3},          {"I1", not_i1},
     {"I2", not_i2},          {"I3", not_i3}, {"I4", not_i4},          {"I5", not_i5},          {"N1", not_n1},
     {"N2", not_n2},          {"P5", not_p5}}};

}  // namespace

std::map<std::string, std::string> excluded_look_alikes(const facts::Snapshot& snapshot) {
  std::map<std::string, std::string> excluded;
  if (!snapshot.python) return excluded;
  const Process process(snapshot);
  const WaitGraph graph(process, gil_grips(process));
  const auto ctrl_c = walk_signal_path(process, graph);
  const ProcessChain chain(process);
  for (const auto& discriminator : kDiscriminators)
    if (std::string why = discriminator.why({process, graph, ctrl_c, chain}); !why.empty())
      excluded.emplace(discriminator.id, std::move(why));
  return excluded;
}

}  // namespace hang::verdict
