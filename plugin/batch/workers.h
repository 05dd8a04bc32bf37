// Workers: child processes that classify one item after the other, so that a crash or an endless read costs one row.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "batch/progress.h"
#include "batch/row.h"

namespace hang::batch {

// Turns an item into its row; called in a worker.
using Classify = std::function<Row(const Item& item)>;

struct Limits {
  unsigned jobs = 1;
  std::chrono::milliseconds timeout{60'000};  // for one item
  std::uint64_t memory = 0;                   // bytes of address space of one worker; 0 = no limit
};

// Classifies the items in parallel and calls `done` here, in the order in which they are ready, until it returns false;
// and `waiting` about once in a second in which nothing is ready. Must be called while this process has one thread:
// workers are forked. They end when this process does. Errors: `io` if no worker can be made.
Result<void> classify_all(const std::vector<Item>& items, const Limits& limits, const Classify& classify,
                          const std::function<bool(Row row)>& done,
                          const std::function<void(const Running& running)>& waiting);

}  // namespace hang::batch
