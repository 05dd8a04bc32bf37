// TaskSelection: of very many tasks that stand at the same place, some are read and the others counted.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "cpython/python.h"

namespace hang::loops {

class TaskSelection {
 public:
  static constexpr std::uint64_t kMostAlike = 100;  // read of those that stand at one instruction of one coroutine
  static constexpr std::uint64_t kMost = 2000;      // read in all

  explicit TaskSelection(cpython::Python& python) : python_(python) {}

  // Counts a task by its coroutine; true if it is to be read. One that is `needed` always is.
  bool takes(RemoteAddr coroutine, bool needed);
  [[nodiscard]] std::uint64_t seen() const { return seen_; }

 private:
  // The code of the outermost coroutine and where it stands.
  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> place_of(RemoteAddr coroutine) const;

  cpython::Python& python_;
  std::uint64_t seen_ = 0, taken_ = 0;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> alike_;
};

}  // namespace hang::loops
