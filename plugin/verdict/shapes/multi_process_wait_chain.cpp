// P6 multi-process-wait-chain: processes wait for each other in a circle, and nothing outside of it was seen that could
// open it.
#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "verdict/shapes/shape.h"

namespace hang::verdict {
namespace {

// Where in the walk the circle begins: the link that starts at the actor that the last one leads to.
std::optional<std::size_t> circle_of(const Case& c, const std::vector<std::size_t>& walk) {
  const Actor* end = &c.chain.target(c.chain.link(walk.back()));
  for (std::size_t i = 0; i < walk.size(); ++i)
    if (&c.chain.actor(c.chain.link(walk[i]).from) == end) return i;
  return std::nullopt;
}

std::string words_of(const Case& c, const Link& link) {
  const auto& from = c.chain.actor(link.from);
  const auto who =
      from.pid == c.process.facts().target.pid ? c.process.thread_label(from.tid) : c.chain.process_label(from.pid);
  const auto& to = c.chain.target(link);
  const bool holder = link.need == Need::data || link.need == Need::room || link.need == Need::connection;
  return fmt::format("{} waits for {}{}", who, link.what,
                     holder ? fmt::format(" (the other end is with {})", c.chain.process_label(to.pid)) : "");
}

}  // namespace

std::optional<Finding> multi_process_wait_chain(const Case& c) {
  const auto* main = kept_main(c, Ability::none);
  if (main == nullptr) return std::nullopt;
  const auto walk = c.chain.walk(main->pid, main->tid);
  const auto begin = walk.empty() ? std::nullopt : circle_of(c, walk);
  if (!begin) return std::nullopt;
  bool others = false, only_data = true, rest = true;
  std::vector<std::string> words;
  for (std::size_t i = 0; i < walk.size(); ++i) {
    const auto& link = c.chain.link(walk[i]);
    const auto pid = c.chain.actor(link.from).pid;
    rest = rest && c.chain.rests(pid);
    words.push_back(words_of(c, link));
    if (i < *begin) continue;
    others = others || pid != main->pid;
    only_data = only_data && link.need == Need::data;
  }
  if (!others || !rest) return std::nullopt;
  // Two that wait for each other's data may have agreed on more than can be seen here, such as a signal.
  const auto confidence = *begin == 0 && !only_data ? confidence_of_sleep(c.process, main->tid) : Confidence::likely;
  auto finding = make_finding("P6", "multi-process-wait-chain", confidence);
  std::reverse(words.begin(), words.end());
  finding.summary =
      fmt::format("Processes wait for each other, and none of them can go on: {}.", fmt::join(words, "; "));
  finding.path = c.chain.path(walk);
  finding.blame.push_back(c.process.blame(end_of_joins(c.process, main->tid)));
  for (std::size_t i = *begin; i < walk.size() && finding.blame.size() < 4; ++i) {
    const auto& link = c.chain.link(walk[i]);
    if (const auto& from = c.chain.actor(link.from); from.pid != main->pid)
      finding.blame.push_back(blame_actor(c, from));
  }
  finding.advice =
      "Close pipes before you wait for the process that reads them, and bound every wait with a timeout. To open the "
      "circle now, end the process at its bottom.";
  cite_chain(finding, c, walk);
  return finding;
}

}  // namespace hang::verdict
