// ProcessTree: the processes that a hang runs through, each with its own verdict, and the one at the end to blame.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "facts/facts.h"
#include "verdict/verdict.h"

namespace hang::verdict {

// One process waits for another.
struct TreeWait {
  std::uint64_t pid = 0;       // of the other
  std::string what, evidence;  // "the end of process 12 (cat)", "wait4"
  bool main = false;           // it is what the main thread's wait leads to
};

struct TreeProcess {
  std::uint64_t pid = 0;
  std::string comm;
  std::optional<Verdict> verdict;             // of a CPython whose facts are there
  const facts::Snapshot* snapshot = nullptr;  // not owned; null without a verdict
  std::string doing;                          // in words, of the others: "runs", "waits for data in the pipe of fd 0"
  std::vector<TreeWait> waits;
};

struct ProcessTree {
  std::vector<TreeProcess> processes;  // the one asked for first, the others as they are reached
  std::vector<std::size_t> chain;      // from there along what each main thread waits for
  bool circle = false;                 // the last of the chain waits for one that is in it

  [[nodiscard]] const TreeProcess* find(std::uint64_t pid) const;
  // Whose verdict is the answer: the last one of the chain that has one; the first if none has.
  [[nodiscard]] const TreeProcess& blamed() const;
};

// `snapshots`: the process asked for first, then those of its neighbours (facts::NeighbourFacts), and of theirs, that
// are CPythons; they must outlive the result. A pure function of the facts.
ProcessTree process_tree(const std::vector<facts::Snapshot>& snapshots);
ProcessTree process_tree(std::vector<facts::Snapshot>&& snapshots) = delete;

}  // namespace hang::verdict
