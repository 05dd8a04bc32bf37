#include "fuzz/facts_input.h"

#include <cstdlib>

#include "facts/json.h"
#include "report/report.h"
#include "shapes/patient.h"
#include "verdict/process_tree.h"

namespace hang::test {
namespace {

using facts::Snapshot;
using report::GraphFormat;
using report::Listing;

void print_everything(const Snapshot& snapshot, const verdict::Verdict& verdict) {
  for (const bool verbose : {false, true}) {
    report::Style style;
    style.verbose = verbose;
    report::classify_text(snapshot, verdict, style);
    for (const auto listing :
         {Listing::interpreters, Listing::threads, Listing::gil, Listing::signals, Listing::loops, Listing::channels})
      report::listing_text(listing, snapshot, style);
    report::graph_text(GraphFormat::text, snapshot, style);
    report::explain_text(snapshot, verdict, style);
  }
  report::classify_json(snapshot, verdict);
  report::listing_json(Listing::channels, snapshot);
  for (const auto format : {GraphFormat::json, GraphFormat::dot, GraphFormat::mermaid})
    report::graph_text(format, snapshot, {});
}

// A process in trouble with descriptors, a loop and its tasks, and other processes.
Snapshot rich() {
  Patient patient;
  patient.interpreter(1).interpreter(2, -1).python_thread(101, "worker").python_thread(102, "driver", 1);
  patient.hog(102, 1).wants_gil(101).tripped().watched(550);
  patient.socketpair(6, 7).listening(9);
  auto& loop = patient.loop(100);
  loop.object = 0x5000;
  loop.own_fds = {6, 7};
  loop.wakeup_reader = 6;
  loop.wakers_searched = true;
  loop.wakers = {101};
  auto& task = loop.tasks.front();
  task.object = 0x5100;
  task.parked.on = facts::ParkedOn::queue_get;
  task.parked.object = 0x5200;
  task.parked.tasks = {0x5100};
  task.parked.could_end = {0, 0x5100};
  auto other = task;
  other.object = 0x5300;
  other.parked.on = facts::ParkedOn::process;
  other.parked.pid = 300;
  loop.tasks.push_back(other);
  loop.queued.push_back({});
  loop.cancel_scopes.push_back({0xf500, true, {0x5100}});
  facts::ChannelFacts channel;
  channel.kind = facts::ChannelKind::process_queue;
  channel.fds = {6};
  channel.users = {{patient.state(101).address, 0, true, false, false, true}, {0, 0x5100, false, false, true, false}};
  patient.facts().python->channels = {channel};
  patient.facts().python->channels_known = true;
  facts::NeighbourFacts neighbour;
  neighbour.pid = 300;
  neighbour.exists = neighbour.threads_known = neighbour.fds_known = true;
  facts::ThreadFacts thread;
  thread.tid = 300;
  thread.wait.kind = facts::WaitKind::read;
  thread.wait.fd = 0;
  neighbour.threads = {thread};
  facts::FdFacts fd;
  fd.type = facts::FdType::pipe;
  fd.readable = true;
  fd.pipe.emplace().writers = {{100, 4, "python3", false, true}};
  neighbour.fds = {fd};
  auto& kernel = patient.facts().kernel;
  kernel.neighbours = {neighbour};
  kernel.process.children = {{300, "child", 'S', 3}};
  facts::NativeLockFacts lock;
  lock.futex = 0x7000;
  lock.owner = 101;
  patient.facts().native_locks = {lock};
  facts::LockFacts wanted;
  wanted.object = 0x7100;
  wanted.type = "_thread.RLock";
  wanted.waiter = patient.state(101).address;
  wanted.held_by = {{patient.state(100).address, 0}};
  wanted.named_by = {0};
  patient.facts().python->locks = {wanted};
  patient.facts().gaps = {{"something", "no reason", {"S1"}}};
  patient.facts().python->awaited = {{patient.state(101).address, 0, 0x5200, "queue.Queue"}};
  return patient.facts();
}

}  // namespace

bool try_facts(std::string_view text) {
  auto snapshot = facts::from_json_text(text);
  if (!snapshot) return false;
  const auto verdict = verdict::classify(*snapshot);
  if (verdict.finding.id.empty() && verdict.finding.confidence == verdict::Confidence::certain) std::abort();
  if (!verdict.finding.id.empty() && !snapshot->python) std::abort();
  if (snapshot->python) {
    print_everything(*snapshot, verdict);
    const std::vector<Snapshot> twice{*snapshot, *snapshot};
    const auto tree = verdict::process_tree(twice);
    report::tree_text(tree, {});
    report::tree_json(tree);
  }
  return true;
}

std::vector<std::string> facts_seeds() {
  Patient healthy, parked;
  parked.loop(100, facts::LoopKind::trio, 86'400'000);
  Patient waiting;
  waiting.python_thread(101, "worker");
  waiting.watched(100);
  std::vector<std::string> seeds;
  for (const auto* patient : {&healthy, &parked, &waiting})
    seeds.push_back(facts::to_json_text(const_cast<Patient*>(patient)->facts()));  // NOLINT: facts() is for changing
  seeds.push_back(facts::to_json_text(rich()));
  return seeds;
}

}  // namespace hang::test
