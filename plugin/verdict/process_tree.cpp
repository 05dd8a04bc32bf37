#include "verdict/process_tree.h"

#include <algorithm>
#include <deque>
#include <fmt/format.h>
#include <set>

#include "verdict/process_chain.h"

namespace hang::verdict {

using facts::Snapshot;

namespace {

// Shapes whose cause lies in what another process does, or that say only that nothing is wrong in this one. A hang of
// the process itself ends the chain: it would be there without the others.
bool goes_on(const Verdict& verdict) {
  const auto& id = verdict.finding.id;
  return id.empty() || id == "N3";
}

// What one set of facts knows of one process: of its own, or of a neighbour.
class View {
 public:
  explicit View(const Snapshot& snapshot) : snapshot_(&snapshot), process_(snapshot), chain_(process_) {}
  View(const View&) = delete;  // the chain refers to the process
  View& operator=(const View&) = delete;
  ~View() = default;

  [[nodiscard]] const Snapshot& snapshot() const { return *snapshot_; }
  [[nodiscard]] bool knows(std::uint64_t pid) const { return chain_.process(pid) != nullptr; }
  [[nodiscard]] std::string doing(std::uint64_t pid) const {
    const auto* main = chain_.thread(pid, pid);
    const auto* actor = main != nullptr ? main : chain_.process(pid);
    return actor == nullptr ? "" : chain_.has_ended(pid) ? "has ended" : chain_.doing(*actor);
  }
  [[nodiscard]] std::vector<TreeWait> waits(std::uint64_t pid) const;

 private:
  void add_main(std::uint64_t pid, std::vector<TreeWait>& waits) const;
  void add_children(std::vector<TreeWait>& waits) const;

  const Snapshot* snapshot_;
  Process process_;
  ProcessChain chain_;
};

void add(std::vector<TreeWait>& waits, TreeWait wait) {
  const bool there = std::any_of(waits.begin(), waits.end(), [&](const auto& other) { return other.pid == wait.pid; });
  if (!there) waits.push_back(std::move(wait));
}

void View::add_main(std::uint64_t pid, std::vector<TreeWait>& waits) const {
  const bool ours = pid == snapshot_->target.pid;
  const auto tid = ours ? process_.main_tid() : pid;
  for (const auto index : chain_.walk(pid, tid)) {
    const auto& link = chain_.link(index);
    const auto to = chain_.target(link).pid;
    if (to == pid) continue;
    return add(waits, {to, link.what, link.evidence, true});
  }
}

// What a Popen or Process object says its thread or task waits for, where the system call does not: a loop that polls,
// a reader of its output.
void View::add_children(std::vector<TreeWait>& waits) const {
  const auto main = process_.main_tid();
  const auto add_child = [&](std::int64_t child, const std::string& evidence, bool of_main) {
    if (child > 0 && !chain_.has_ended(static_cast<std::uint64_t>(child)))
      add(waits, {static_cast<std::uint64_t>(child), fmt::format("process {}", child), evidence, of_main});
  };
  for (const auto& state : process_.python().thread_states)
    if (state.child) add_child(*state.child, "the object that it waits on", state.tid == main && waits.empty());
  for (const auto& loop : process_.python().loops)
    for (const auto& task : loop.tasks) {
      const bool alone = task.main && loop.tid == main && waits.empty();
      if (task.parked.pid) add_child(*task.parked.pid, "task " + task.name, alone);
      if (task.child && task.child_ended != true) add_child(*task.child, "task " + task.name, alone);
    }
}

std::vector<TreeWait> View::waits(std::uint64_t pid) const {
  std::vector<TreeWait> waits;
  add_main(pid, waits);
  if (pid != snapshot_->target.pid) return waits;
  add_children(waits);
  for (const auto tid : process_.python_tids()) {
    const auto* actor = chain_.thread(pid, tid);
    if (actor == nullptr) continue;
    for (const auto index : actor->links) {
      const auto& link = chain_.link(index);
      const auto to = chain_.target(link).pid;
      if (to != pid)
        add(waits, {to, link.what, fmt::format("{}, {}", process_.thread_label(tid), link.evidence), false});
    }
  }
  return waits;
}

std::string comm_of(const std::deque<View>& views, std::uint64_t pid) {
  for (const auto& view : views) {
    if (view.snapshot().target.pid == pid && !view.snapshot().threads.empty()) {
      const auto* main = view.snapshot().thread(pid);
      return main != nullptr ? main->comm : view.snapshot().threads.front().comm;
    }
    if (const auto* neighbour = view.snapshot().neighbour(pid); neighbour != nullptr && !neighbour->comm.empty())
      return neighbour->comm;
  }
  return {};
}

TreeProcess look_at(const std::deque<View>& views, std::uint64_t pid) {
  TreeProcess process;
  process.pid = pid;
  process.comm = comm_of(views, pid);
  for (const auto& view : views) {
    if (view.snapshot().target.pid != pid) continue;
    process.snapshot = &view.snapshot();
    process.verdict = classify(view.snapshot());
    process.waits = view.waits(pid);
    return process;
  }
  for (const auto& view : views) {
    if (!view.knows(pid)) continue;
    process.doing = view.doing(pid);
    process.waits = view.waits(pid);
    break;
  }
  return process;
}

const TreeWait* main_wait(const TreeProcess& process) {
  const auto found =
      std::find_if(process.waits.begin(), process.waits.end(), [](const auto& wait) { return wait.main; });
  return found == process.waits.end() ? nullptr : &*found;
}

void follow_main(ProcessTree& tree) {
  std::set<std::uint64_t> seen;
  const TreeProcess* at = &tree.processes.front();
  while (at != nullptr) {
    seen.insert(at->pid);
    tree.chain.push_back(static_cast<std::size_t>(at - tree.processes.data()));
    if (at->verdict && !goes_on(*at->verdict)) return;
    const auto* wait = main_wait(*at);
    if (wait == nullptr) return;
    if (seen.contains(wait->pid)) {
      tree.circle = true;
      return;
    }
    at = tree.find(wait->pid);
  }
}

}  // namespace

const TreeProcess* ProcessTree::find(std::uint64_t pid) const {
  const auto found = std::find_if(processes.begin(), processes.end(), [&](const auto& p) { return p.pid == pid; });
  return found == processes.end() ? nullptr : &*found;
}

const TreeProcess& ProcessTree::blamed() const {
  for (auto at = chain.rbegin(); at != chain.rend(); ++at)
    if (processes[*at].verdict) return processes[*at];
  return processes.front();
}

ProcessTree process_tree(const std::vector<Snapshot>& snapshots) {
  ProcessTree tree;
  std::deque<View> views;
  for (const auto& snapshot : snapshots)
    if (snapshot.python) views.emplace_back(snapshot);
  if (views.empty()) return tree;
  std::deque<std::uint64_t> queue{views.front().snapshot().target.pid};
  std::set<std::uint64_t> seen(queue.begin(), queue.end());
  while (!queue.empty()) {
    tree.processes.push_back(look_at(views, queue.front()));
    queue.pop_front();
    for (const auto& wait : tree.processes.back().waits)
      if (seen.insert(wait.pid).second) queue.push_back(wait.pid);
  }
  follow_main(tree);
  return tree;
}

}  // namespace hang::verdict
