// L4 self-wait: threads wait for what only they could do: it stands in the queue of the loop that one of them blocks,
// or of the pool whose workers they are.
#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

#include "facts/names.h"
#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

using facts::AwaitedFacts;
using facts::LoopFacts;
using facts::Provider;

// The threads that cannot go on unless another one of them does. Begins with all that sleep without a date on
// something another thread makes, and drops each for which somebody else can make it, until none is left to drop.
class Stuck {
 public:
  explicit Stuck(const Case& c) : c_(c) {
    for (const auto& state : c.process.python().thread_states)
      if (state.pool != 0 && state.tid != 0) pools_[state.pool].push_back(state.tid);
    for (const auto tid : c.process.python_tids())
      if (may_be_stuck(tid)) stuck_.insert(tid);
    while (drop_one()) {
    }
  }

  [[nodiscard]] bool contains(std::uint64_t tid) const { return stuck_.contains(tid); }
  [[nodiscard]] const std::set<std::uint64_t>& all() const { return stuck_; }
  [[nodiscard]] const std::vector<const AwaitedFacts*>& awaited(std::uint64_t tid) const {
    return c_.process.awaited(tid);
  }
  // The threads that would have to act.
  [[nodiscard]] std::vector<std::uint64_t> providers(std::uint64_t tid) const;
  // It waits, over any number of others, for itself.
  [[nodiscard]] bool in_circle(std::uint64_t tid) const;
  [[nodiscard]] const LoopFacts* loop(std::uint64_t object) const {
    for (const auto& loop : c_.process.python().loops)
      if (loop.object == object && object != 0) return &loop;
    return nullptr;
  }
  [[nodiscard]] std::size_t workers(std::uint64_t pool) const {
    const auto found = pools_.find(pool);
    return found == pools_.end() ? 0 : found->second.size();
  }

 private:
  [[nodiscard]] bool may_be_stuck(std::uint64_t tid) const;
  [[nodiscard]] bool is_stuck(const AwaitedFacts& awaited) const;
  bool drop_one();
  [[nodiscard]] std::vector<std::uint64_t> providers_of(const AwaitedFacts& awaited) const;

  const Case& c_;
  std::map<std::uint64_t, std::vector<std::uint64_t>> pools_;  // work queue: tids of its workers
  std::set<std::uint64_t> stuck_;
};

bool Stuck::may_be_stuck(std::uint64_t tid) const {
  const auto& waiting = c_.graph.waiting(tid);
  const auto* thread = c_.process.thread(tid);
  if (thread == nullptr || thread->wait.kind != facts::WaitKind::futex || c_.process.waits_for_gil(tid)) return false;
  return (waiting.waker == Waker::none || waiting.waker == Waker::unknown) &&
         (!awaited(tid).empty() || c_.process.joins(tid) != 0);
}

std::vector<std::uint64_t> Stuck::providers_of(const AwaitedFacts& awaited) const {
  if (awaited.by == Provider::thread) {
    const auto* state = c_.process.facts().thread_state(awaited.provider);
    return state == nullptr ? std::vector<std::uint64_t>{} : std::vector<std::uint64_t>{state->tid};
  }
  if (awaited.by == Provider::loop) {
    // A loop that sleeps in its selector will be woken.
    const auto* target = loop(awaited.provider);
    return target == nullptr || target->in_selector ? std::vector<std::uint64_t>{}
                                                    : std::vector<std::uint64_t>{target->tid};
  }
  const auto pool = pools_.find(awaited.provider);
  return awaited.by != Provider::pool || pool == pools_.end() ? std::vector<std::uint64_t>{} : pool->second;
}

bool Stuck::is_stuck(const AwaitedFacts& awaited) const {
  const auto by = providers_of(awaited);
  return !by.empty() && std::all_of(by.begin(), by.end(), [&](auto tid) { return stuck_.contains(tid); });
}

bool Stuck::drop_one() {
  for (const auto tid : stuck_) {
    const auto& list = awaited(tid);
    const auto stuck = [&](const AwaitedFacts* one) { return is_stuck(*one); };
    const bool any = !list.empty() && list.front()->any;
    const bool stays = list.empty() ? stuck_.contains(c_.process.joins(tid))
                       : any        ? std::all_of(list.begin(), list.end(), stuck)
                                    : std::any_of(list.begin(), list.end(), stuck);
    if (stays) continue;
    stuck_.erase(tid);
    return true;
  }
  return false;
}

std::vector<std::uint64_t> Stuck::providers(std::uint64_t tid) const {
  std::vector<std::uint64_t> all;
  if (awaited(tid).empty()) all.push_back(c_.process.joins(tid));
  for (const auto* one : awaited(tid))
    for (const auto by : providers_of(*one))
      if (stuck_.contains(by)) all.push_back(by);
  return all;
}

bool Stuck::in_circle(std::uint64_t tid) const {
  std::set<std::uint64_t> seen;
  std::vector<std::uint64_t> next = providers(tid);
  while (!next.empty()) {
    const auto at = next.back();
    next.pop_back();
    if (at == tid) return true;
    if (!seen.insert(at).second) continue;
    for (const auto by : providers(at)) next.push_back(by);
  }
  return false;
}

// What the thread waits for that stands in a queue; null if it waits for something else.
const AwaitedFacts* queued_of(const Stuck& stuck, std::uint64_t tid) {
  for (const auto* awaited : stuck.awaited(tid))
    if (awaited->by == Provider::loop || awaited->by == Provider::pool) return awaited;
  return nullptr;
}

bool drives_loop(const Case& c, std::uint64_t tid) {
  const auto* loop = c.process.loop_of(tid);
  return loop != nullptr && !loop->in_selector;
}

// The circle's threads: those that block a loop first, for that is the line to change, then those that wait for what is
// queued, then the others.
std::vector<std::uint64_t> culprits(const Case& c, const Stuck& stuck) {
  std::vector<std::uint64_t> tids;
  bool queued = false;
  for (const auto tid : stuck.all()) {
    if (!stuck.in_circle(tid)) continue;
    tids.push_back(tid);
    queued = queued || queued_of(stuck, tid) != nullptr;
  }
  if (!queued) return {};
  const auto rank = [&](std::uint64_t tid) {
    return drives_loop(c, tid) ? 0 : queued_of(stuck, tid) != nullptr ? 1 : 2;
  };
  std::stable_sort(tids.begin(), tids.end(), [&](auto a, auto b) { return rank(a) < rank(b); });
  return tids;
}

// The line that waits: the innermost one outside of the libraries.
std::string where(const Case& c, std::uint64_t tid) {
  const auto* state = c.process.current_state(tid);
  const auto* frame = state == nullptr ? nullptr : user_frame(state->frames);
  return frame == nullptr ? "?" : frame_label(*frame);
}

std::string own_loop_words(const Case& c, const LoopFacts& loop, const AwaitedFacts& awaited) {
  return fmt::format(
      "{} blocks its own {} loop: at {} it waits for {}, and what would end that wait {}. The loop cannot turn until "
      "the wait is over.",
      capital(c.process.thread_label(loop.tid)), name_of(loop.kind), where(c, loop.tid), awaited_label(awaited),
      awaited.task != 0 ? "is a task of that loop" : "stands in that loop's queue");
}

std::string other_thread_words(const Case& c, const Stuck& stuck, const std::vector<std::uint64_t>& tids,
                               const LoopFacts& loop) {
  const auto asker = std::find_if(tids.begin(), tids.end(), [&](auto tid) {
    const auto* awaited = queued_of(stuck, tid);
    return awaited != nullptr && awaited->provider == loop.object;
  });
  return fmt::format(
      "{} blocks its {} loop at {} until {} is done, and that one waits at {} for a call that it handed to this loop. "
      "Neither can go on.",
      capital(c.process.thread_label(loop.tid)), name_of(loop.kind), where(c, loop.tid),
      asker == tids.end() ? "another thread" : c.process.thread_label(*asker),
      asker == tids.end() ? "?" : where(c, *asker));
}

std::string pool_words(const Case& c, const Stuck& stuck, std::uint64_t tid, const AwaitedFacts& awaited) {
  const auto workers = stuck.workers(awaited.provider);
  return fmt::format(
      "{} of a thread pool {} waiting, {} at {}, for {} that still {} in the queue of the same pool: no worker is left "
      "to run {}.",
      workers == 1   ? "The only worker"
      : workers == 2 ? "Both workers"
                     : fmt::format("All {} workers", workers),
      workers == 1 ? "is" : "are", c.process.thread_label(tid), where(c, tid), workers == 1 ? "a job" : "jobs",
      workers == 1 ? "stands" : "stand", workers == 1 ? "it" : "them");
}

std::string summary_of(const Case& c, const Stuck& stuck, const std::vector<std::uint64_t>& tids) {
  const auto first = tids.front();
  const auto* awaited = queued_of(stuck, first);
  const auto* loop = drives_loop(c, first) ? c.process.loop_of(first) : nullptr;
  if (loop != nullptr && awaited != nullptr && awaited->by == Provider::loop && awaited->provider == loop->object)
    return own_loop_words(c, *loop, *awaited);
  if (loop != nullptr) return other_thread_words(c, stuck, tids, *loop);
  return awaited != nullptr && awaited->by == Provider::pool
             ? pool_words(c, stuck, first, *awaited)
             : fmt::format("{} waits at {} for what only it could make.", capital(c.process.thread_label(first)),
                           where(c, first));
}

std::string advice_of(const Case& c, std::uint64_t tid) {
  const auto* loop = c.process.loop_of(tid);
  if (loop == nullptr)
    return "A job that waits for a job needs another pool than the one it runs in, or must not wait: return the future "
           "and let the caller wait. Pass a timeout to result().";
  if (loop->kind == facts::LoopKind::trio)
    return "Do not block trio's thread on a thread that calls back into trio: await trio.to_thread.run_sync(...).";
  return "On the loop's own thread await instead of blocking: `await coro`, or `await asyncio.wrap_future(future)` for "
         "a future of a pool. Pass a timeout to result().";
}

void cite_queues(Finding& finding, const Case& c, const Stuck& stuck, std::uint64_t tid) {
  for (const auto* awaited : stuck.awaited(tid)) {
    if (awaited->object != 0)
      cite_kernel(finding, fmt::format("{} waits for", c.process.thread_label(tid)),
                  fmt::format("{} at {}", awaited->type, RemoteAddr(awaited->object).hex()), facts::Source::table);
    const auto* loop = stuck.loop(awaited->provider);
    if (awaited->by != Provider::loop || loop == nullptr) continue;
    if (loop->ready)
      cite_kernel(finding, loop->kind == facts::LoopKind::trio ? "len(runner.runq)" : "len(loop._ready)",
                  std::to_string(*loop->ready), facts::Source::table);
    const auto* reader = loop->wakeup_reader ? c.process.facts().fd(*loop->wakeup_reader) : nullptr;
    if (reader != nullptr && reader->unix_socket && reader->unix_socket->rqueue)
      cite_kernel(finding, fmt::format("unread bytes in its wakeup fd {}", reader->fd),
                  std::to_string(*reader->unix_socket->rqueue), facts::Source::sock_diag);
  }
}

}  // namespace

std::optional<Finding> self_wait(const Case& c) {
  const auto& process = c.process;
  if (process.python().awaited.empty() || !c.graph.main_gets_gil()) return std::nullopt;
  if (c.graph.waiting(process.main_tid()).waker < Waker::unknown) return std::nullopt;
  const Stuck stuck(c);
  const auto tids = culprits(c, stuck);
  if (tids.empty()) return std::nullopt;
  auto finding = make_finding("L4", "self-wait", confidence_of_sleep(process, tids.front()));
  constexpr std::size_t kMostBlamed = 6;
  for (const auto tid : tids) {
    for (const auto* awaited : stuck.awaited(tid))
      if (!awaited->seen && finding.confidence == Confidence::certain) finding.confidence = Confidence::likely;
    if (finding.blame.size() == kMostBlamed) continue;
    finding.blame.push_back(process.blame(tid));
    finding.blame.back().frame = where(c, tid);
    cite_wait(finding, process, tid);
    cite_queues(finding, c, stuck, tid);
  }
  finding.summary = summary_of(c, stuck, tids);
  finding.path = c.graph.path(tids.front());
  finding.advice = advice_of(c, tids.front());
  return finding;
}

}  // namespace hang::verdict
