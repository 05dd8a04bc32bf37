// Graph: who waits for what, and who could end that wait, as nodes and edges. Knows nothing of CPython.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hang::verdict {

enum class NodeKind {
  thread,
  interpreter,
  gil,
  native_lock,
  lock,
  primitive,  // what tasks of a loop wait on: a queue, a channel, an event, a lock
  fd,
  process,  // another one
  loop,
  task,
  timer,
  outside,  // the network, a terminal, a signal: what is not of this machine's processes
  running,  // nothing: it runs
  nobody,   // no one can: a dead end
  unknown
};

struct Node {
  NodeKind kind = NodeKind::unknown;
  std::string key;    // distinguishes nodes of one kind: "6908", "0x7f.."
  std::string label;  // for people
};

struct Edge {
  std::size_t from = 0, to = 0;
  std::string verb;      // "waits for", "held by"
  std::string evidence;  // what was read
  bool seen = true;      // false: inferred
  bool alone = true;     // nothing else could end the wait: only such edges make a deadlock
};

class Graph {
 public:
  // The node of that kind and key; the first label stays.
  std::size_t add(NodeKind kind, const std::string& key, const std::string& label);
  void connect(Edge edge);
  [[nodiscard]] std::optional<std::size_t> find(NodeKind kind, const std::string& key) const;

  [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }
  [[nodiscard]] const std::vector<Edge>& edges() const { return edges_; }
  // Indices of the edges that leave a node, in the order in which they were made.
  [[nodiscard]] const std::vector<std::size_t>& out(std::size_t node) const { return out_[node]; }

  // The edges of a shortest cycle through `node` that nothing outside of it can open, of any length; empty if there is
  // none.
  [[nodiscard]] std::vector<std::size_t> cycle_through(std::size_t node) const;
  // The first node that lies on such a cycle and can be reached from `node` by edges that stand alone.
  [[nodiscard]] std::optional<std::size_t> leads_to_cycle(std::size_t node) const;
  // Edges in the order of a walk from `node`, each once.
  [[nodiscard]] std::vector<std::size_t> walk(std::size_t node) const;

 private:
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::vector<std::vector<std::size_t>> out_;
  std::map<std::pair<NodeKind, std::string>, std::size_t> index_;
};

}  // namespace hang::verdict
