// Collect: runs the readers, fills the facts, watches what moves, and records what could not be had.
#pragma once

#include <chrono>
#include <optional>

#include "base/result.h"
#include "facts/facts.h"
#include "target/target.h"

namespace hang::collect {

struct Options {
  // Time between the first and the last sample; 0 = one sample. A target that is stopped or a core gets one sample.
  std::chrono::milliseconds interval{50};
  // Read the target as this CPython 3.N; otherwise as what it says it is.
  std::optional<int> assumed_minor;
  // Also the channels inside the process (facts::PythonFacts::channels).
  bool channels = false;
  // Of a core: what the kernel knew of the same process, read when it still was there. Not owned.
  const facts::Snapshot* sidecar = nullptr;
};

// Errors end the collection only if there is nothing to classify: no process, no permission, not Python, a version
// without a layout. Everything else becomes a gap.
Result<facts::Snapshot> collect(Target& target, const Options& options);

}  // namespace hang::collect
