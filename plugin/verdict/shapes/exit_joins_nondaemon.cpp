// I3 exit-joins-nondaemon: the program is over, and its end waits for threads that are no daemons and that nothing
// wakes.
#include <fmt/format.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {

std::optional<Finding> exit_joins_nondaemon(const Case& c) {
  const auto& process = c.process;
  const auto main = process.main_tid();
  const auto* interpreter = process.main_interpreter();
  if (!process.main_exits() || interpreter == nullptr || process.waits_for_gil(main) || !c.graph.main_gets_gil())
    return std::nullopt;
  std::vector<std::uint64_t> stuck;
  for (auto tid : process.joined_at_end(interpreter->id, main)) {
    // A thread with a date, a socket that others connect to, a terminal: a program may be meant to live by it (N3).
    if (c.graph.waiting(tid).waker != Waker::none && c.graph.waiting(tid).waker != Waker::unknown) return std::nullopt;
    if (c.graph.waiting(tid).waker == Waker::none) stuck.push_back(tid);
  }
  if (stuck.empty()) return std::nullopt;
  auto finding = make_finding("I3", "exit-joins-nondaemon", confidence_of_sleep(process, stuck.front()));
  finding.summary =
      fmt::format("The main program has ended, and the exit waits for {}{}, which is no daemon thread: it is {}.",
                  process.thread_label(stuck.front()),
                  stuck.size() > 1 ? fmt::format(" (and {} more)", stuck.size() - 1) : std::string(),
                  doing(process, stuck.front()));
  finding.path = c.graph.path(main);
  for (auto tid : stuck) finding.blame.push_back(process.blame(tid));
  finding.advice =
      "Tell that thread to end before the program does (an Event that it checks, a sentinel in its queue, "
      "executor.shutdown(cancel_futures=True)), or start it with daemon=True if it holds nothing that matters.";
  cite_wait(finding, process, main);
  for (auto tid : stuck) cite_wait(finding, process, tid);
  return finding;
}

}  // namespace hang::verdict
