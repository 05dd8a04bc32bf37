// L1 orphaned-channel-park (seed class 2): the loop is healthy and asleep, and nothing that could still act leads to
// it.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <span>

#include "facts/names.h"
#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

constexpr std::string_view kAdvice =
    "Find who should have sent or closed: close the sending end when its owner ends (async with send_channel, "
    "Queue.shutdown() on 3.13, socket.close() on abandon), and bound the wait with a timeout.";

// A loop may have thousands; a reader needs to see of which kind they are.
std::span<const WaitsFor> first_few(const std::vector<WaitsFor>& orphans) {
  constexpr std::size_t kFew = 3;
  return std::span(orphans).first(std::min(orphans.size(), kFew));
}

std::string what_is_left(const LoopWait& wait) {
  if (wait.orphans.empty()) return "only its own wakeup socket is registered, no timer is set";
  std::vector<std::string> words;
  for (const auto& orphan : first_few(wait.orphans)) words.push_back(orphan.what);
  if (wait.orphans.size() > words.size()) words.push_back(fmt::format("{} more", wait.orphans.size() - words.size()));
  return fmt::format("{}; no timer is set", fmt::join(words, "; "));
}

Finding found(const Case& c, const LoopWait& wait) {
  const auto& process = c.process;
  const auto& loop = *wait.loop;
  // The kernel's own list of what the loop watches was read, and no other thread could be a helper of it.
  const bool certain = wait.strangers.empty() && process.facts().kernel.fds_known;
  auto finding = make_finding("L1", "orphaned-channel-park", certain ? Confidence::certain : Confidence::likely);
  finding.seed_class = 2;
  const auto task = task_label(loop);
  finding.summary = fmt::format("The {} loop of {} (interpreter {}) sleeps and nothing can ever wake it: {}.{}",
                                name_of(loop.kind), process.thread_label(loop.tid), loop.interpreter,
                                what_is_left(wait), task.empty() ? "" : fmt::format(" Waiting for it: {}.", task));
  finding.path = c.graph.path(loop.tid);
  if (const auto* parked = parked_task(loop))
    for (auto& edge : c.graph.task_path(parked->object)) finding.path.push_back(std::move(edge));
  for (const auto& orphan : first_few(wait.orphans))
    finding.path.push_back({orphan.what,
                            "nobody uses that end",
                            {orphan.end == End::gone ? "no holder" : "every thread that could is asleep itself"},
                            true});
  for (auto tid : wait.strangers)
    finding.path.push_back(
        {process.thread_label(tid), "does not lead to the loop", {"no reference found from its frames"}, false});
  auto blame = process.blame(loop.tid);
  if (const auto* frame = parked_frame(loop)) blame.frame = frame_label(*frame);
  if (!wait.orphans.empty()) blame.fd = wait.orphans.front().fd;
  finding.blame.push_back(blame);
  finding.advice = std::string(kAdvice);
  cite_wait(finding, process, loop.tid);
  for (const auto& orphan : first_few(wait.orphans))
    cite(finding, process.facts(), fmt::format("fd.{}.peer", orphan.fd));
  cite(finding, process.facts(), "signals.is_tripped");
  const int gil = process.main_gil();
  if (gil >= 0) cite(finding, process.facts(), fmt::format("gil.{}.locked", gil));
  return finding;
}

// The loop goes on for others, but the main task waits for an item, or for room, that no task, no callback and no
// thread can bring: none leads to the other end. Events and bare futures do not count: to wait for one that nobody sets
// is how programs say "for ever".
bool is_alone(const LoopWait& wait, const facts::TaskFacts& task) {
  using facts::ParkedOn;
  const auto on = task.parked.on;
  const bool counts = on == ParkedOn::queue_get || on == ParkedOn::queue_put || on == ParkedOn::queue_join ||
                      on == ParkedOn::receive || on == ParkedOn::send || on == ParkedOn::semaphore ||
                      on == ParkedOn::condition;
  const auto& loop = *wait.loop;
  const bool bounded = std::any_of(loop.tasks.begin(), loop.tasks.end(),
                                   [](const auto& other) { return other.main && other.bounded != false; });
  return counts && task.parked.searched == true && task.parked.could_end.empty() && task.parked.tasks.empty() &&
         task.bounded == false && !bounded && loop.ready == 0 && loop.wakers_searched && loop.wakers.empty() &&
         wait.workers.empty() && loop.signal_handlers.empty() && !waits_for_signal(loop) &&
         task.parked.available != true;
}

std::optional<Finding> in_live_loop(const Case& c) {
  const auto* loop = c.process.loop_of(c.process.main_tid());
  if (loop == nullptr) return std::nullopt;
  const auto wait = loop_wait(c.process, c.graph, *loop);
  const auto* task = parked_task(*loop);
  const bool has_main =
      std::any_of(loop->tasks.begin(), loop->tasks.end(), [](const auto& other) { return other.main; });
  if (!wait || task == nullptr || !has_main || !is_alone(*wait, *task)) return std::nullopt;
  auto finding = make_finding("L1", "orphaned-channel-park", Confidence::likely);
  finding.seed_class = 2;
  finding.summary = fmt::format(
      "The {} loop of {} turns for others, but what it was started for cannot go on: {}. No other task, callback or "
      "thread leads to the other end.",
      name_of(loop->kind), c.process.thread_label(loop->tid), task_label(*loop));
  finding.path = c.graph.task_path(task->object);
  auto blame = c.process.blame(loop->tid);
  if (const auto* frame = user_frame(task->frames)) blame.frame = frame_label(*frame);
  finding.blame.push_back(std::move(blame));
  finding.advice = std::string(kAdvice);
  cite_wait(finding, c.process, loop->tid);
  return finding;
}

// trio runs in it as a guest: what the host waits for is the guest's affair (L10).
bool has_guest(const Process& process, const facts::LoopFacts& loop) {
  const auto& loops = process.python().loops;
  return loop.object != 0 &&
         std::any_of(loops.begin(), loops.end(), [&](const auto& guest) { return guest.host == loop.object; });
}

}  // namespace

std::optional<Finding> orphaned_channel_park(const Case& c) {
  const auto& process = c.process;
  if (!c.graph.main_gets_gil()) return std::nullopt;  // before the first Ctrl-C a starved main thread looks the same
  // The main thread's loop first; another thread's loop is to blame only if the main thread cannot go on by itself.
  const bool main_stuck = c.graph.waiting(process.main_tid()).waker >= Waker::signal;
  for (bool main_first : {true, false}) {
    for (const auto& loop : process.python().loops) {
      const bool is_main = loop.tid == process.main_tid();
      if (is_main != main_first || (!is_main && !main_stuck) || has_guest(process, loop)) continue;
      auto wait = loop_wait(process, c.graph, loop);
      if (wait && nothing_can_wake(*wait)) return found(c, *wait);
    }
  }
  return in_live_loop(c);
}

}  // namespace hang::verdict
