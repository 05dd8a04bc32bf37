// Batch: a directory of hangs becomes a table of causes.
#pragma once

#include <functional>

#include "batch/groups.h"
#include "batch/work_list.h"
#include "batch/workers.h"

namespace hang::batch {

struct Options {
  std::vector<std::string> paths;
  std::vector<Item> items;  // besides those below the paths; they win over the same paths there
  Shard shard;
  Limits limits;
  bool merge = false;          // the paths are results of other runs; nothing is classified
  std::string results;         // JSON Lines, resumed if they are there; "" = not kept
  std::string database, page;  // "" = not written
  bool progress = false;
  // What else than an item's file decides its row: options, versions, files beside it. Of two runs in which it differs,
  // the second one reads the item again.
  std::function<std::string(const Item& item)> key_of = [](const Item&) { return std::string(); };
  // Is told what is no error, and still nobody should miss: one line without its end.
  std::function<void(const std::string& text)> note = [](const std::string&) {};
};

// Errors: `io`, `usage`. The rows are complete then, or the results say how far it came.
Result<Rows> run(const Options& options, const IsItem& is_item, const Classify& classify);

}  // namespace hang::batch
