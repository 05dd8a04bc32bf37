#include "verdict/graph.h"

#include <algorithm>
#include <deque>

namespace hang::verdict {

std::size_t Graph::add(NodeKind kind, const std::string& key, const std::string& label) {
  const auto [found, made] = index_.try_emplace({kind, key}, nodes_.size());
  if (made) {
    nodes_.push_back({kind, key, label});
    out_.emplace_back();
  }
  return found->second;
}

void Graph::connect(Edge edge) {
  for (const auto known : out_[edge.from])
    if (edges_[known].to == edge.to && edges_[known].verb == edge.verb) return;
  out_[edge.from].push_back(edges_.size());
  edges_.push_back(std::move(edge));
}

std::optional<std::size_t> Graph::find(NodeKind kind, const std::string& key) const {
  const auto found = index_.find({kind, key});
  return found == index_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::size_t> Graph::cycle_through(std::size_t node) const {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::vector<std::size_t> came_by(nodes_.size(), kNone);
  std::deque<std::size_t> queue{node};
  while (!queue.empty()) {
    const auto at = queue.front();
    queue.pop_front();
    for (const auto index : out_[at]) {
      const auto& edge = edges_[index];
      if (!edge.alone) continue;
      if (edge.to == node) {  // back again: the way here, from its end
        std::vector<std::size_t> cycle{index};
        for (auto from = edge.from; from != node; from = edges_[came_by[from]].from) cycle.push_back(came_by[from]);
        std::reverse(cycle.begin(), cycle.end());
        return cycle;
      }
      if (came_by[edge.to] != kNone) continue;
      came_by[edge.to] = index;
      queue.push_back(edge.to);
    }
  }
  return {};
}

std::optional<std::size_t> Graph::leads_to_cycle(std::size_t node) const {
  std::vector<bool> seen(nodes_.size(), false);
  std::deque<std::size_t> queue{node};
  seen[node] = true;
  while (!queue.empty()) {
    const auto at = queue.front();
    queue.pop_front();
    if (!cycle_through(at).empty()) return at;
    for (const auto index : out_[at]) {
      const auto& edge = edges_[index];
      if (!edge.alone || seen[edge.to]) continue;
      seen[edge.to] = true;
      queue.push_back(edge.to);
    }
  }
  return std::nullopt;
}

std::vector<std::size_t> Graph::walk(std::size_t node) const {
  std::vector<std::size_t> edges;
  std::vector<bool> seen(nodes_.size(), false);
  std::vector<std::size_t> stack{out_[node].rbegin(), out_[node].rend()};  // depth first, so that it reads as a chain
  seen[node] = true;
  while (!stack.empty()) {
    const auto index = stack.back();
    stack.pop_back();
    edges.push_back(index);
    const auto to = edges_[index].to;
    if (seen[to]) continue;
    seen[to] = true;
    stack.insert(stack.end(), out_[to].rbegin(), out_[to].rend());
  }
  return edges;
}

}  // namespace hang::verdict
