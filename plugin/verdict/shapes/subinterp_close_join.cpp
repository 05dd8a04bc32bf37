// I2 subinterp-close-join: closing a subinterpreter runs threading._shutdown inside it, which joins its threads that
// are no daemons, and one of them does not end.
#include <algorithm>
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// The thread that closes an interpreter: the main thread, or one that the main thread waits for.
std::uint64_t find_closer(const Case& c) {
  const auto main = c.process.main_tid();
  if (c.process.closes(main) != nullptr) return main;
  if (c.graph.waiting(main).waker < Waker::unknown) return 0;  // it can go on by itself
  for (auto tid : c.process.python_tids())
    if (tid != main && c.process.closes(tid) != nullptr) return tid;
  return 0;
}

// It will end, or may: then the close only takes its time.
bool goes_on(const Case& c, std::uint64_t tid) {
  const auto& waiting = c.graph.waiting(tid);
  return waiting.waker == Waker::running || has_near_date(waiting);
}

std::string summarise(const Case& c, std::uint64_t closer, const facts::InterpreterFacts& closed,
                      const std::vector<std::uint64_t>& joined) {
  const auto& process = c.process;
  std::string who = "its threads that are no daemons; which one is not known";
  if (!joined.empty()) {
    who = fmt::format("{}, which is {}", process.thread_label(joined.front()), doing(process, joined.front()));
    if (joined.size() > 1) who += fmt::format(", and {} more", joined.size() - 1);
  }
  std::string on_main = closer == process.main_tid()
                            ? " Meanwhile the main thread belongs to that interpreter, where Ctrl-C is not handled."
                            : "";
  return fmt::format("{} closes interpreter {} and first waits for the end of {}.{}",
                     capital(process.thread_label(closer)), closed.id, who, on_main);
}

}  // namespace

std::optional<Finding> subinterp_close_join(const Case& c) {
  const auto& process = c.process;
  const auto closer = find_closer(c);
  if (closer == 0) return std::nullopt;
  const auto* thread = process.thread(closer);
  const bool asleep = thread != nullptr && thread->wait.kind != facts::WaitKind::none &&
                      thread->wait.kind != facts::WaitKind::unknown && !process.waits_for_gil(closer);
  if (!asleep || goes_on(c, closer)) return std::nullopt;
  const auto& closed = *process.closes(closer);
  auto joined = process.joined_at_end(closed.id, closer);
  if (joined.empty() && closed.finalizing == true) return std::nullopt;  // past the join: something else holds it up
  if (std::any_of(joined.begin(), joined.end(), [&](auto tid) { return goes_on(c, tid); })) return std::nullopt;
  // Those that nothing can wake come first: they are why the others do not help.
  std::stable_sort(joined.begin(), joined.end(),
                   [&](auto a, auto b) { return c.graph.waiting(a).waker > c.graph.waiting(b).waker; });
  auto finding = make_finding("I2", "subinterp-close-join",
                              joined.empty() ? Confidence::likely : confidence_of_sleep(process, joined.front()));
  finding.summary = summarise(c, closer, closed, joined);
  finding.path = c.graph.path(process.main_tid());
  for (auto tid : joined) finding.blame.push_back(process.blame(tid));
  finding.blame.push_back(process.blame(closer));
  finding.advice =
      "Tell the subinterpreter's threads to end before closing it (threading._register_atexit runs before the join, "
      "atexit only after it), or make them daemon threads where the interpreter allows those. Interpreter.close() has "
      "no timeout.";
  cite_wait(finding, process, closer);
  for (auto tid : joined) cite_wait(finding, process, tid);
  if (const std::string caller = native_caller(process, closer, "Py_EndInterpreter"); !caller.empty())
    cite_kernel(finding, "native stack", "Py_EndInterpreter <- " + caller, facts::Source::procfs);
  return finding;
}

}  // namespace hang::verdict
