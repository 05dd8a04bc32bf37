// L2 await-cycle: tasks of one loop wait for each other in a circle, or for a lock whose owner has ended.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "facts/names.h"
#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::LoopFacts;
using facts::ParkedOn;
using facts::TaskFacts;

struct Circle {
  std::vector<std::size_t> edges;
  std::vector<const TaskFacts*> tasks;  // in the order of the circle
  bool seen = true;                     // every edge of it was read, none inferred
};

// The circle that the task is part of or waits for.
std::optional<Circle> circle_from(const Case& c, const LoopFacts& loop, const TaskFacts& task) {
  const auto node = c.graph.node_of_task(task.object);
  const auto& graph = c.graph.graph();
  const auto on = node ? graph.leads_to_cycle(*node) : std::nullopt;
  if (!on) return std::nullopt;
  Circle circle{graph.cycle_through(*on), {}, true};
  for (const auto index : circle.edges) {
    const auto& edge = graph.edges()[index];
    circle.seen = circle.seen && edge.seen;
    for (const auto& candidate : loop.tasks)
      if (c.graph.node_of_task(candidate.object) == edge.from) circle.tasks.push_back(&candidate);
  }
  if (circle.tasks.empty()) return std::nullopt;
  // A task that waits for others shows less than those that wait for something.
  std::stable_partition(circle.tasks.begin(), circle.tasks.end(),
                        [](const auto* in) { return in->parked.on != ParkedOn::tasks; });
  return circle;
}

// A lock that is held, and by no task that is still there.
bool owner_ended(const LoopFacts& loop, const TaskFacts& task) {
  const auto& parked = task.parked;
  if (parked.on != ParkedOn::lock || parked.available != false || !loop.tasks_known) return false;
  const bool owned = std::any_of(parked.tasks.begin(), parked.tasks.end(),
                                 [&](auto object) { return find_task(loop, object) != nullptr; });
  return !owned && (!parked.tasks.empty() || (parked.searched == true && parked.could_end.empty()));
}

Finding finding_of(const Case& c, const LoopWait& wait, const TaskFacts& blamed, Confidence confidence,
                   std::string summary) {
  const auto& loop = *wait.loop;
  auto finding = make_finding("L2", "await-cycle", confidence);
  finding.summary = std::move(summary);
  auto blame = c.process.blame(loop.tid);
  if (const auto* frame = user_frame(blamed.frames)) blame.frame = frame_label(*frame);
  finding.blame.push_back(blame);
  cite_wait(finding, c.process, loop.tid);
  return finding;
}

Finding circle_finding(const Case& c, const LoopWait& wait, const Circle& circle) {
  const auto& loop = *wait.loop;
  std::vector<std::string> words;
  for (const auto* task : circle.tasks) {
    const auto* frame = user_frame(task->frames);
    words.push_back(fmt::format("task {} at {} waits for {}", task->name, frame ? frame_label(*frame) : "?",
                                parked_words(loop, *task)));
  }
  auto finding = finding_of(
      c, wait, *circle.tasks.front(), circle.seen && wait.strangers.empty() ? Confidence::certain : Confidence::likely,
      fmt::format("Tasks of the {} loop of {} wait for each other in a circle, and no other can end it: {}.",
                  name_of(loop.kind), c.process.thread_label(loop.tid), fmt::join(words, "; ")));
  for (std::size_t i = 1; i < circle.tasks.size(); ++i) {
    finding.blame.push_back(finding.blame.front());
    const auto* frame = user_frame(circle.tasks[i]->frames);
    finding.blame.back().frame = frame ? frame_label(*frame) : "";
  }
  for (const auto edge : circle.edges) finding.path.push_back(c.graph.path_edge(edge));
  finding.advice =
      "Take locks in one order everywhere, or use one; set what the children of a nursery or task group wait for "
      "before waiting for them; bound the wait with a timeout.";
  return finding;
}

Finding gone_finding(const Case& c, const LoopWait& wait, const TaskFacts& task) {
  const auto* frame = user_frame(task.frames);
  auto finding = finding_of(
      c, wait, task, task.parked.tasks.empty() || !wait.strangers.empty() ? Confidence::likely : Confidence::certain,
      fmt::format("Task {} at {} waits for {}: no task of the loop can release it any more.", task.name,
                  frame ? frame_label(*frame) : "?", parked_words(*wait.loop, task)));
  finding.path = c.graph.task_path(task.object);
  finding.advice = "Hold locks with `async with`, so that a task that ends releases them, however it ends.";
  return finding;
}

// Timers and descriptors may go on for others: a circle of locks and awaited tasks in which none has a deadline, and
// for which the main task waits, stays one.
bool holds_regardless(const LoopWait& wait, const Circle& circle) {
  return circle.seen && wait.workers.empty() &&
         std::all_of(circle.tasks.begin(), circle.tasks.end(),
                     [](const TaskFacts* task) { return task->bounded == false && !task->system; });
}

std::optional<Finding> in_loop(const Case& c, const LoopWait& wait) {
  const auto& loop = *wait.loop;
  const bool silent = nothing_can_wake(wait);
  for (bool main_first : {true, false}) {
    for (const auto& task : loop.tasks) {
      if (task.system || task.main != main_first) continue;
      // A task that nothing waits for does not keep the others.
      if (!silent && !task.main) continue;
      if (auto circle = circle_from(c, loop, task); circle && (silent || holds_regardless(wait, *circle)))
        return circle_finding(c, wait, *circle);
    }
  }
  const auto* blamed = parked_task(loop);
  if (blamed != nullptr && owner_ended(loop, *blamed) && (silent || blamed->bounded == false))
    return gone_finding(c, wait, *blamed);
  return std::nullopt;
}

}  // namespace

std::optional<Finding> await_cycle(const Case& c) {
  const auto& process = c.process;
  if (!c.graph.main_gets_gil()) return std::nullopt;
  const bool main_stuck = c.graph.waiting(process.main_tid()).waker >= Waker::signal;
  for (const auto& loop : process.python().loops) {
    if (loop.tid != process.main_tid() && !main_stuck) continue;
    const auto wait = loop_wait(process, c.graph, loop);
    if (!wait || loop.ready.value_or(1) != 0) continue;
    if (auto finding = in_loop(c, *wait)) return finding;
  }
  return std::nullopt;
}

}  // namespace hang::verdict
