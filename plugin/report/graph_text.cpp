// hang graph: the wait-for graph as text, DOT, Mermaid and JSON.
#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/json_parts.h"
#include "report/paint.h"
#include "report/report.h"
#include "verdict/wait_graph.h"

namespace hang::report {

using verdict::Edge;
using verdict::Graph;
using verdict::NodeKind;
using verdict::Process;
using verdict::WaitGraph;

namespace {

constexpr const char* kKinds[] = {"thread",    "interpreter", "gil",     "native_lock", "lock",
                                  "primitive", "fd",          "process", "loop",        "task",
                                  "timer",     "outside",     "running", "nobody",      "unknown"};

std::string kind_name(NodeKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

// Which edges are part of a deadlock.
std::vector<bool> deadlocked(const Graph& graph) {
  std::vector<bool> marked(graph.edges().size(), false);
  const auto can_be = [](NodeKind kind) {
    return kind == NodeKind::gil || kind == NodeKind::native_lock || kind == NodeKind::lock || kind == NodeKind::task;
  };
  for (std::size_t node = 0; node < graph.nodes().size(); ++node)
    if (can_be(graph.nodes()[node].kind))
      for (const auto edge : graph.cycle_through(node)) marked[edge] = true;
  return marked;
}

// Ends a walk where it began, in the words of the report.
std::string text_of(const Graph& graph, const Style& style) {
  const Paint paint(style);
  const auto marked = deadlocked(graph);
  std::string out;
  for (std::size_t node = 0; node < graph.nodes().size(); ++node) {
    if (graph.out(node).empty()) continue;
    out += fill(printable(graph.nodes()[node].label), style.width, 0, 2) + "\n";
    for (const auto index : graph.out(node)) {
      const auto& edge = graph.edges()[index];
      std::string line = edge.verb.empty() ? "" : edge.verb + " ";
      line += graph.nodes()[edge.to].label;
      line +=
          fmt::format("  [{}{}]", edge.evidence.empty() ? "" : edge.evidence + "; ", edge.seen ? "seen" : "inferred");
      if (marked[index]) line += "  DEADLOCK";
      const std::string filled = fill(printable(line), style.width, 4, 2);
      out += (marked[index] ? paint.red(filled) : filled) + "\n";
    }
  }
  const bool any = std::find(marked.begin(), marked.end(), true) != marked.end();
  out += any ? "\nA cycle of waits that nothing can open is marked DEADLOCK.\n" : "\nNo cycle.\n";
  return out;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string dot_of(const Graph& graph) {
  const auto marked = deadlocked(graph);
  std::string out = "digraph hang {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n";
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto& node = graph.nodes()[i];
    const char* shape = node.kind == NodeKind::thread ? "box" : node.kind == NodeKind::task ? "note" : "ellipse";
    out += fmt::format("  n{} [label={}, shape={}];\n", i, quoted(node.label), shape);
  }
  for (std::size_t i = 0; i < graph.edges().size(); ++i) {
    const auto& edge = graph.edges()[i];
    out += fmt::format("  n{} -> n{} [label={}, style={}{}, tooltip={}];\n", edge.from, edge.to, quoted(edge.verb),
                       edge.seen ? "solid" : "dashed", marked[i] ? ", color=red, penwidth=2" : "",
                       quoted(edge.evidence.empty() ? edge.verb : edge.evidence));
  }
  return out + "}\n";
}

// Mermaid has its own quoting: entities inside double quotes.
std::string mermaid_text(const std::string& text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '"') {
      out += "#quot;";
    } else if (c == '#') {
      out += "#35;";
    } else if (c == '<') {
      out += "#lt;";
    } else if (c == '>') {
      out += "#gt;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string mermaid_of(const Graph& graph) {
  const auto marked = deadlocked(graph);
  std::string out = "flowchart LR\n";
  for (std::size_t i = 0; i < graph.nodes().size(); ++i)
    out += fmt::format("  n{}[\"{}\"]\n", i, mermaid_text(graph.nodes()[i].label));
  std::string styles;
  for (std::size_t i = 0; i < graph.edges().size(); ++i) {
    const auto& edge = graph.edges()[i];
    const char* arrow = edge.seen ? "-->" : "-.->";
    out += edge.verb.empty()
               ? fmt::format("  n{} {} n{}\n", edge.from, arrow, edge.to)
               : fmt::format("  n{} {}|\"{}\"| n{}\n", edge.from, arrow, mermaid_text(edge.verb), edge.to);
    if (marked[i]) styles += fmt::format("  linkStyle {} stroke:red,stroke-width:3px\n", i);
  }
  return out + styles;
}

std::string json_of(const Graph& graph, const facts::Snapshot& snapshot) {
  using json = nlohmann::ordered_json;
  const auto marked = deadlocked(graph);
  json nodes = json::array(), edges = json::array();
  for (std::size_t i = 0; i < graph.nodes().size(); ++i)
    nodes.push_back({{"id", i},
                     {"kind", kind_name(graph.nodes()[i].kind)},
                     {"key", graph.nodes()[i].key},
                     {"label", graph.nodes()[i].label}});
  for (std::size_t i = 0; i < graph.edges().size(); ++i) {
    const auto& edge = graph.edges()[i];
    edges.push_back({{"from", edge.from},
                     {"to", edge.to},
                     {"edge", edge.verb},
                     {"evidence", edge.evidence},
                     {"seen", edge.seen},
                     {"deadlock", static_cast<bool>(marked[i])}});
  }
  json j{{"schema_version", facts::kSchemaVersion}, {"target", target_json(snapshot)}};
  j["nodes"] = std::move(nodes);
  j["edges"] = std::move(edges);
  j["gaps"] = gaps_json(snapshot.gaps);
  return dump(j);
}

}  // namespace

std::string graph_text(GraphFormat format, const facts::Snapshot& snapshot, const Style& style) {
  if (!snapshot.python) return "The snapshot has no CPython facts.\n";
  const Process process(snapshot);
  const WaitGraph waits(process, gil_grips(process));
  const Graph& graph = waits.graph();
  switch (format) {
    case GraphFormat::text: return text_of(graph, style);
    case GraphFormat::dot: return dot_of(graph);
    case GraphFormat::mermaid: return mermaid_of(graph);
    case GraphFormat::json: return json_of(graph, snapshot);
  }
  return {};
}

}  // namespace hang::report
