// P5 child-exit-lost: a task waits for the end of a child that has ended, and nothing is left that would tell it.
#include <algorithm>
#include <fmt/format.h>

#include "facts/names.h"
#include "verdict/loop_wait.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::LoopFacts;

// How the child is gone: "" if it is not, or not known.
std::string gone(const Case& c, std::int64_t child) {
  const auto pid = static_cast<std::uint64_t>(child);
  for (const auto& ours : c.process.facts().kernel.process.children)
    if (ours.pid == child) return ours.state == 'Z' ? "has ended, and nobody has collected its exit status" : "";
  const auto* neighbour = c.process.facts().neighbour(pid);
  if (neighbour == nullptr) return {};
  if (!neighbour->exists) return "has ended, and its exit status was collected by somebody else or by the kernel";
  const auto parent = static_cast<std::uint64_t>(neighbour->process.ppid.value_or(0));
  return parent != 0 && parent != c.process.facts().target.pid
             ? "has ended: that number belongs to a process now that is no child of this one"
             : "";
}

// Somebody who will be told: a thread in waitpid(), a descriptor of the child itself.
bool is_watched(const Case& c, std::int64_t child) {
  const auto& facts = c.process.facts();
  return std::any_of(facts.threads.begin(), facts.threads.end(),
                     [&](const facts::ThreadFacts& thread) {
                       return thread.wait.kind == facts::WaitKind::wait_child &&
                              (!thread.wait.pid || *thread.wait.pid <= 0 || *thread.wait.pid == child);
                     }) ||
         std::any_of(facts.kernel.fds.begin(), facts.kernel.fds.end(),
                     [&](const facts::FdFacts& fd) { return fd.pid == child; });
}

// The task itself, or one that it waits for and that is all the library's: create_task(process.wait()).
const facts::TaskFacts* waits_for_child(const LoopFacts& loop, const facts::TaskFacts& task) {
  const auto waits = [](const facts::TaskFacts& one) {
    return one.parked.on == facts::ParkedOn::process && one.parked.pid;
  };
  if (waits(task)) return &task;
  for (const auto object : task.parked.tasks)
    if (const auto* other = find_task(loop, object); other != nullptr && waits(*other)) return other;
  return nullptr;
}

// Between the end of a child and the turn in which its watcher tells the task, things look the same.
bool rests(const Case& c, const LoopFacts& loop) {
  const auto& facts = c.process.facts();
  const auto& watch = facts.watch;
  if (facts.target.stopped_by_host) {
    // Held by a debugger it cannot be watched, but then nothing must be on its way to it either.
    const auto* reader = loop.wakeup_reader ? facts.fd(*loop.wakeup_reader) : nullptr;
    return reader != nullptr && reader->unix_socket && reader->unix_socket->rqueue == 0U;
  }
  const auto* thread = watch.ms > 0 ? facts.thread_watch(loop.tid) : nullptr;
  if (thread == nullptr) return watch.at_rest;
  return !thread->wait_changed && thread->running_reads == 0 && thread->voluntary_switches == 0;
}

std::string why_nobody_tells(const Case& c) {
  constexpr std::uint64_t kSigchld = std::uint64_t{1} << (17 - 1);
  if ((c.process.facts().kernel.process.sig_ign.value_or(0) & kSigchld) != 0)
    return "SIGCHLD is ignored, so that the kernel keeps no exit status and sends no signal";
  return "no thread waits for it and no descriptor stands for it";
}

}  // namespace

std::optional<Finding> child_exit_lost(const Case& c) {
  const auto& process = c.process;
  for (const auto& loop : process.python().loops) {
    if (!loop.in_selector || loop.ready.value_or(0) != 0) continue;
    const auto* outer = parked_task(loop);
    const auto* task = outer == nullptr ? nullptr : waits_for_child(loop, *outer);
    if (task == nullptr || task->parked.available == true || task->child_ended == true) continue;
    const auto child = *task->parked.pid;
    const auto how = gone(c, child);
    if (how.empty() || is_watched(c, child) || !rests(c, loop)) continue;
    auto finding = make_finding("P5", "child-exit-lost", confidence_of_sleep(process, loop.tid));
    const auto* frame = user_frame(outer->frames);
    finding.summary = fmt::format("Task {}{} waits for the end of process {}, which {}. Nobody will tell it: {}.",
                                  outer->name, frame == nullptr ? "" : ", parked at " + frame_label(*frame) + ",",
                                  child, how, why_nobody_tells(c));
    finding.path = c.graph.path(loop.tid);
    auto blame = process.blame(loop.tid);
    if (frame != nullptr) blame.frame = frame_label(*frame);
    finding.blame.push_back(std::move(blame));
    finding.advice =
        "One owner for each child: no os.waitpid(-1, ...) in libraries, no SIG_IGN for SIGCHLD in a program that "
        "starts processes. Child watchers that live on SIGCHLD are gone in 3.14; the default since 3.12 watches a "
        "pidfd.";
    cite_wait(finding, process, loop.tid);
    cite_kernel(finding, fmt::format("process {}", child), how, facts::Source::procfs);
    return finding;
  }
  return std::nullopt;
}

}  // namespace hang::verdict
