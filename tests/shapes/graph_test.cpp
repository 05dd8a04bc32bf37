// The graph of waits by itself, and the pages that explain the shapes.
#include "verdict/graph.h"

#include <array>
#include <gtest/gtest.h>
#include <set>

#include "report/pages.h"
#include "report/report.h"
#include "shapes/classify.h"

namespace hang::test {
namespace {

using verdict::Edge;
using verdict::Graph;
using verdict::NodeKind;

Edge edge(std::size_t from, std::size_t to, bool alone = true) {
  return {from, to, "waits for", "", true, alone};
}

TEST(Graph, CyclesOfAnyLength) {
  Graph graph;
  std::array<std::size_t, 6> node{};
  for (std::size_t i = 0; i < node.size(); ++i)
    node[i] = graph.add(NodeKind::thread, std::to_string(i), "thread " + std::to_string(i));
  for (std::size_t i = 1; i < 5; ++i) graph.connect(edge(node[i], node[i == 4 ? 1 : i + 1]));  // 1 2 3 4 and round
  graph.connect(edge(node[0], node[1]));
  EXPECT_EQ(graph.cycle_through(node[2]).size(), 4U);
  EXPECT_TRUE(graph.cycle_through(node[0]).empty()) << "it leads there, but is not part of it";
  EXPECT_EQ(graph.leads_to_cycle(node[0]), node[1]);
  EXPECT_EQ(graph.leads_to_cycle(node[5]), std::nullopt);
  // The walk takes each edge once, though it goes round.
  EXPECT_EQ(graph.walk(node[0]).size(), 5U);
}

TEST(Graph, AWaitForAnyOfSeveralIsNoDeadlock) {
  Graph graph;
  const auto a = graph.add(NodeKind::thread, "1", "a"), b = graph.add(NodeKind::thread, "2", "b");
  graph.connect(edge(a, b, false));
  graph.connect(edge(b, a));
  EXPECT_TRUE(graph.cycle_through(a).empty());
  EXPECT_EQ(graph.leads_to_cycle(b), std::nullopt);
}

TEST(Graph, NodesAndEdgesAreMadeOnce) {
  Graph graph;
  const auto a = graph.add(NodeKind::gil, "0", "the GIL");
  EXPECT_EQ(graph.add(NodeKind::gil, "0", "another name"), a);
  EXPECT_NE(graph.add(NodeKind::thread, "0", "a thread"), a);
  EXPECT_EQ(graph.nodes()[a].label, "the GIL");
  graph.connect(edge(a, a));
  graph.connect(edge(a, a));
  EXPECT_EQ(graph.edges().size(), 1U);
  EXPECT_EQ(graph.cycle_through(a).size(), 1U) << "a thread that waits for itself";
}

TEST(Graph, DrawingsHaveEveryNodeAndMarkDeadlocks) {
  Patient patient;
  patient.python_thread(101, "quote\" <b>").hog(101, 0).wants_gil(100);
  patient.thread(101).wait = endless_futex(0x123456);
  patient.thread(101).state = 'S';
  patient.facts().native_locks.push_back({0x123456, "pthread mutex", 100, true, "owner"});
  const auto facts = through_json(patient.watched(550).facts());
  const report::Style style;
  const auto text = report::graph_text(report::GraphFormat::text, facts, style);
  EXPECT_NE(text.find("DEADLOCK"), std::string::npos) << text;
  const auto dot = report::graph_text(report::GraphFormat::dot, facts, style);
  EXPECT_NE(dot.find("quote\\\" <b>"), std::string::npos) << dot;
  EXPECT_NE(dot.find("color=red"), std::string::npos);
  const auto mermaid = report::graph_text(report::GraphFormat::mermaid, facts, style);
  EXPECT_NE(mermaid.find("quote#quot; #lt;b#gt;"), std::string::npos) << mermaid;
  EXPECT_NE(mermaid.find("linkStyle"), std::string::npos);
}

TEST(Pages, OneForEachShapeOfTheVocabulary) {
  std::set<std::string> ids;
  for (const auto& page : report::pages()) {
    SCOPED_TRACE(page.id);
    EXPECT_TRUE(ids.insert(page.id).second);
    EXPECT_FALSE(page.shape.empty());
    EXPECT_FALSE(page.summary().empty());
    EXPECT_FALSE(page.fact("Ctrl-C").empty());
    EXPECT_FALSE(page.fact("Status").empty());
    EXPECT_FALSE(page.links().empty());
    for (const char* title :
         {"What happens", "How hang proves it", "Not to be confused with", "What to do", "See also"}) {
      const auto* section = page.section(title);
      ASSERT_NE(section, nullptr) << title;
      EXPECT_FALSE(section->blocks.empty()) << title;
    }
    for (const auto& block : page.section("Not to be confused with")->blocks)
      EXPECT_NE(report::find_page(block.text.substr(0, block.text.find(' '))), nullptr) << block.text;
  }
  EXPECT_EQ(ids.size(), 41U);
  EXPECT_EQ(report::find_page("GIL-hostage-signal-drop"), report::find_page("s1"));
  EXPECT_EQ(report::find_page("S99"), nullptr);
}

// What a rule can name says so on its page, under the same name.
TEST(Pages, NamedIsWhatTheRulesName) {
  for (const char* id : {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "G1", "G2", "G3", "I2", "I3", "I4", "I5", "L1", "L3",
                         "N1", "N2", "N3"})
    EXPECT_EQ(report::find_page(id)->fact("Status"), "named") << id;
  Patient patient;
  sleeps(patient, 100);
  const auto verdict = classify(patient);
  const auto* page = report::find_page(verdict.finding.id);
  ASSERT_NE(page, nullptr) << verdict.finding.id;
  EXPECT_EQ(page->shape, verdict.finding.shape);
}

}  // namespace
}  // namespace hang::test
