// Report: facts and verdicts in words. Text is for people, JSON is the interface. Nothing here reads or decides.
#pragma once

#include <string>

#include "facts/facts.h"
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

// The listings: hang interpreters, threads, gil, signals, channels.
enum class Listing { interpreters, threads, gil, signals, channels };
std::string listing_text(Listing listing, const facts::Snapshot& snapshot, const Style& style);
// {"schema_version", "target", "<listing>": ..., "gaps": [...]}
std::string listing_json(Listing listing, const facts::Snapshot& snapshot);

}  // namespace hang::report
