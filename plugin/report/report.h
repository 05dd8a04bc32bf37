// Report: facts and verdicts in words. Text is for people, JSON is the interface. Nothing here reads or decides.
#pragma once

#include <string>

#include "facts/facts.h"
#include "verdict/process_tree.h"
#include "verdict/verdict.h"

namespace hang::report {

struct Style {
  bool color = false;    // only when the output is a terminal
  int width = 100;       // columns
  bool verbose = false;  // all evidence, all steps, all findings
};

// hang classify
std::string classify_text(const facts::Snapshot& snapshot, const verdict::Verdict& verdict, const Style& style);
std::string classify_json(const facts::Snapshot& snapshot, const verdict::Verdict& verdict);

// hang classify --tree
std::string tree_text(const verdict::ProcessTree& tree, const Style& style);
std::string tree_json(const verdict::ProcessTree& tree);

// The listings: hang interpreters, threads, gil, signals, loops, channels.
enum class Listing { interpreters, threads, gil, signals, loops, channels };
std::string listing_text(Listing listing, const facts::Snapshot& snapshot, const Style& style);
// {"schema_version", "target", "<listing>": ..., "gaps": [...]}
std::string listing_json(Listing listing, const facts::Snapshot& snapshot);

// hang graph: the wait-for graph.
enum class GraphFormat { text, json, dot, mermaid };
std::string graph_text(GraphFormat format, const facts::Snapshot& snapshot, const Style& style);

// hang explain: a page of docs/shapes, the list of them, and the shape of a process in its own names.
struct Page;
std::string page_text(const Page& page, const Style& style);
std::string page_json_text(const Page& page);
std::string page_list_text(const Style& style);
std::string explain_text(const facts::Snapshot& snapshot, const verdict::Verdict& verdict, const Style& style);
std::string explain_json(const facts::Snapshot& snapshot, const verdict::Verdict& verdict);

}  // namespace hang::report
