// WorkList: what the paths of a batch name, in a fixed order.
#pragma once

#include <functional>
#include <map>
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

struct WorkList {
  std::vector<Item> items;                     // sorted by path
  std::map<std::string, std::string> refused;  // those of the items that need no reader to say why: path, reason
  std::vector<std::string> empty;              // folders that were named and have nothing in them
};

// Files and snapshots below `paths`; sidecars and hang's own results are left out, and so are sockets, FIFOs and
// devices that were not named. A file that is reached by several names is there once, by the first of them. What does
// not exist or is no file becomes an item all the same, so that it gets a row, and so do folders that cannot be read.
// `given` are items already; one of them stands for whatever is the same file.
WorkList work_list(const std::vector<std::string>& paths, const Shard& shard, const IsItem& is_item,
                   const std::vector<Item>& given = {});

}  // namespace hang::batch
