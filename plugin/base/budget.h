// Budget: the limit that every walk over target data carries, because target data is hostile.
#pragma once

#include <cstddef>
#include <unordered_set>

#include "base/address.h"
#include "base/result.h"

namespace hang {

// Counts steps of one walk and remembers the nodes visited, so that neither length nor a cycle can keep it going.
class Budget {
 public:
  // `what` names the walk in the error ("thread states of interpreter 3"); `steps` is the most it may take.
  Budget(std::string what, std::size_t steps) : what_(std::move(what)), left_(steps) {}

  // Takes one step to `node`. Fails with `budget` when steps are used up, with `inconsistent` on a node seen before.
  Result<void> visit(RemoteAddr node) {
    if (left_ == 0) return Error{ErrorKind::budget, what_ + ": more entries than any real process has", node};
    --left_;
    if (!seen_.insert(node.raw()).second) return Error{ErrorKind::inconsistent, what_ + ": the list has a cycle", node};
    return {};
  }

 private:
  std::string what_;
  std::size_t left_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace hang
