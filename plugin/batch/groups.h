// Groups: rows with one cause, for the table.
#pragma once

#include <string>
#include <vector>

#include "batch/journal.h"

namespace hang::batch {

// Rows with the same signature; of what has no verdict, with the same kind of reason.
struct Group {
  std::string id, shape, blame;  // id "" = undetermined; shape "unreadable", "crashed", "timeout" without a verdict
  std::vector<std::string> also_blamed;
  // Where another group is blamed on the same first line: the first of those that not all such groups have, or how many
  // there are. Mostly "".
  std::string difference;
  std::string ctrl_c, reason;  // reason: of what has no verdict
  std::string signature;
  std::size_t count = 0;
  std::int64_t first_ns = 0, last_ns = 0;  // mtime
  std::string example;                     // the first path
  std::string summary;                     // of the example
};

// The hangs first, the most frequent first, then undetermined, no hangs, and what could not be read.
std::vector<Group> groups_of(const Rows& rows);

// Why a row has no verdict, without its path and with '#' for numbers: equal where the reason is. "" if it has one.
std::string kind_of_reason(const Row& row);

// For a terminal of `width` columns; 0 = for a file or a pipe, with nothing cut.
std::string table_text(const std::vector<Group>& groups, std::size_t width);

// 0 nothing hung, 1 hangs and all decided, 3 something undetermined or without a verdict.
int exit_code_of(const Rows& rows);

}  // namespace hang::batch
