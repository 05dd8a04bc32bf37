// WorkList: what the paths of a batch name, in a fixed order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "batch/row.h"

namespace hang::batch {

// Which part of the list this run does: number `index` (from 1) of `count`. By the path's name, so that files that come
// later do not move others.
struct Shard {
  unsigned index = 1, count = 1;
};

// Says of a folder whether it is one item (a snapshot) and not a folder of items.
using IsItem = std::function<bool(const std::string& folder)>;

// Files and snapshots below `paths`, sorted by path, each once; sidecars and hang's own results are left out. What does
// not exist becomes an item of size 0, so that it gets a row.
// `given` are items already; one of them stands for whatever has its path.
std::vector<Item> work_list(const std::vector<std::string>& paths, const Shard& shard, const IsItem& is_item,
                            std::vector<Item> given = {});

}  // namespace hang::batch
