// Verdict: what the facts say, in the closed vocabulary of docs/shapes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "facts/facts.h"

namespace hang::verdict {

enum class Confidence { certain, likely, possible };
enum class Answer { yes, no, partly, unknown };
const char* to_string(Confidence confidence);
const char* to_string(Answer answer);

// One step of the signal path (0 running .. 7 exception reached the top).
enum class Mark { ok, full, dead, unknown, not_reached };
struct Step {
  int number = 0;
  std::string title;  // "not ignored"
  Mark mark = Mark::unknown;
  std::string evidence;  // "SigIgn bit 2 clear"
};

// What one SIGINT sent to the process now would do.
struct CtrlC {
  Answer answer = Answer::unknown;
  std::optional<int> step;  // where it dies; absent for yes
  std::string why;
  std::vector<Step> steps;
};

// One edge of the wait-for walk, as printed: `node` --`edge`--> the next entry's node.
struct PathEdge {
  std::string node, edge;
  std::vector<std::string> evidence;
  bool seen = true;  // false: inferred
};

struct Blame {
  std::string thread;  // "6908 \"subint-driver[1\""
  std::uint64_t tid = 0;
  std::optional<std::int64_t> interpreter;
  std::string frame;  // "match, re/__init__.py:167"; "" if none
  std::optional<int> fd;
};

// One shape that matched. The verdict is the best of them; the others are findings with the reason why they are not.
struct Finding {
  std::string id;     // "S1"; "" = undetermined
  std::string shape;  // "gil-hostage-signal-drop" | "undetermined"
  std::optional<int> seed_class;
  Confidence confidence = Confidence::possible;
  std::string summary;
  std::string why_not_cause;  // findings only
  std::vector<PathEdge> path;
  std::vector<Blame> blame;
  std::string advice;
  std::vector<facts::Reading> evidence;
};

struct Verdict {
  Finding finding;
  CtrlC ctrl_c;
  std::string signature;        // stable hash of shape and blame, for grouping
  std::vector<Finding> others;  // bystanders and weaker explanations
  std::vector<facts::Gap> gaps;

  // 0 no hang (N shapes), 1 a hang was named, 3 undetermined.
  [[nodiscard]] int exit_code() const;
};

// A pure function of the facts.
Verdict classify(const facts::Snapshot& snapshot);

}  // namespace hang::verdict
