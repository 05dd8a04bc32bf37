// The tree of processes: whose verdict is the answer.
#include <gtest/gtest.h>

#include "shapes/classify.h"
#include "verdict/process_tree.h"

namespace hang::test {
namespace {

constexpr std::uint64_t kRoot = 100, kChild = 200;

facts::Wait wait_child(std::int64_t pid) {
  facts::Wait wait;
  wait.kind = facts::WaitKind::wait_child;
  wait.name = "wait4";
  wait.pid = pid;
  wait.timeout_ms = -1;
  return wait;
}

facts::NeighbourFacts neighbour(std::uint64_t pid, facts::Wait wait) {
  facts::NeighbourFacts facts;
  facts.pid = pid;
  facts.comm = "worker";
  facts.exists = facts.threads_known = facts.fds_known = true;
  facts.process.state = 'S';
  facts.looked_ms = 50;
  facts::ThreadFacts thread;
  thread.tid = pid;
  thread.state = 'S';
  thread.wait = std::move(wait);
  facts.threads.push_back(thread);
  return facts;
}

// A process that waits for the end of process 200.
facts::Snapshot parent() {
  Patient patient;
  patient.facts().target.pid = kRoot;
  patient.thread(kRoot).wait = wait_child(kChild);
  patient.facts().kernel.process.children.push_back({static_cast<std::int64_t>(kChild), "worker", 'S', 0});
  patient.facts().kernel.neighbours.push_back(neighbour(kChild, endless_futex(0x7000)));
  return through_json(patient.facts());
}

// The same process with another pid: what the patient is in these tests.
facts::Snapshot as_process(facts::Snapshot facts, std::uint64_t pid) {
  facts.target.pid = pid;
  for (auto& thread : facts.threads)
    if (thread.tid == kRoot) thread.tid = pid;
  for (auto& state : facts.python->thread_states)
    if (state.tid == kRoot) state.tid = pid;
  for (auto& loop : facts.python->loops)
    if (loop.tid == kRoot) loop.tid = pid;
  for (auto& watch : facts.watch.threads)
    if (watch.tid == kRoot) watch.tid = pid;
  facts.python->main_tid = pid;
  return facts;
}

facts::Snapshot parked_child() {
  Patient patient;
  patient.loop(kRoot);
  return as_process(through_json(patient.facts()), kChild);
}

TEST(ProcessTree, TheChildThatHangsIsBlamed) {
  const std::vector<facts::Snapshot> snapshots{parent(), parked_child()};
  const auto tree = verdict::process_tree(snapshots);
  ASSERT_EQ(tree.processes.size(), 2U);
  ASSERT_EQ(tree.chain.size(), 2U);
  EXPECT_FALSE(tree.circle);
  EXPECT_EQ(tree.blamed().pid, kChild);
  EXPECT_EQ(tree.blamed().verdict->finding.id, "L1");
  ASSERT_EQ(tree.processes[0].waits.size(), 1U);
  EXPECT_TRUE(tree.processes[0].waits[0].main);
}

TEST(ProcessTree, AProgramThatIsNoPythonIsDescribed) {
  const std::vector<facts::Snapshot> snapshots{parent()};
  const auto tree = verdict::process_tree(snapshots);
  ASSERT_EQ(tree.chain.size(), 2U);
  EXPECT_EQ(tree.blamed().pid, kRoot);
  EXPECT_FALSE(tree.processes[1].verdict);
  EXPECT_EQ(tree.processes[1].doing, "waits for a lock");
  EXPECT_EQ(tree.processes[1].comm, "worker");
}

// A hang of the process itself would be there without the others.
TEST(ProcessTree, AHangOfItsOwnEndsTheChain) {
  const auto facts = parked_child();
  Patient patient;
  patient.loop(kRoot);
  patient.facts().target.pid = kRoot;
  patient.python_thread(101, "helper");
  patient.thread(101).wait = wait_child(kChild);
  patient.facts().kernel.process.children.push_back({static_cast<std::int64_t>(kChild), "worker", 'S', 0});
  patient.facts().kernel.neighbours.push_back(neighbour(kChild, endless_futex(0x7000)));
  const auto root = through_json(patient.facts());
  const std::vector<facts::Snapshot> snapshots{root, facts};
  const auto tree = verdict::process_tree(snapshots);
  EXPECT_EQ(tree.blamed().verdict->finding.id, "L1");
  EXPECT_EQ(tree.blamed().pid, kRoot);
  EXPECT_EQ(tree.processes.size(), 2U) << "seen beside it all the same";
}

TEST(ProcessTree, ACircleEnds) {
  auto child = parent();
  child = as_process(child, kChild);
  for (auto& thread : child.threads)
    if (thread.tid == kChild) thread.wait = wait_child(kRoot);
  child.kernel.process.children = {{static_cast<std::int64_t>(kRoot), "python3", 'S', 0}};
  child.kernel.neighbours = {neighbour(kRoot, wait_child(kChild))};
  child.kernel.neighbours[0].process.children = {{static_cast<std::int64_t>(kChild), "worker", 'S', 0}};
  EXPECT_EQ(verdict::classify(child).finding.id, "P6") << "seen from the other end, too";
  const std::vector<facts::Snapshot> snapshots{parent(), child};
  const auto tree = verdict::process_tree(snapshots);
  EXPECT_EQ(tree.processes.size(), 2U);
  EXPECT_EQ(tree.blamed().verdict->finding.id, "P6") << tree.blamed().verdict->finding.summary;
}

}  // namespace
}  // namespace hang::test
