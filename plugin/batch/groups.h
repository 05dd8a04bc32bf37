// Groups: rows with one cause, for the table.
#pragma once

#include <string>
#include <vector>

#include "batch/journal.h"

namespace hang::batch {

// Rows with the same signature; of what has no verdict, with the same kind of reason.
struct Group {
  std::string id, shape, blame;  // id "" = undetermined; shape "unreadable", "crashed", "timeout" without a verdict
  std::string ctrl_c, reason;    // reason: of what has no verdict
  std::string signature;
  std::size_t count = 0;
  std::int64_t first_ns = 0, last_ns = 0;  // mtime
  std::string example;                     // the first path
  std::string summary;                     // of the example
};

// The hangs first, the most frequent first, then undetermined, no hangs, and what could not be read.
std::vector<Group> groups_of(const Rows& rows);

// For a terminal or a file; `width` columns.
std::string table_text(const std::vector<Group>& groups, std::size_t width);

// 0 nothing hung, 1 hangs and all decided, 3 something undetermined or without a verdict.
int exit_code_of(const Rows& rows);

}  // namespace hang::batch
