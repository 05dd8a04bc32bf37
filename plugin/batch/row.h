// Row: the answer for one item of a batch, as one line of JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace hang::batch {

// A core, a snapshot or a file of facts.
struct Item {
  std::string path;
  std::uint64_t size = 0;     // bytes; of a folder, those of what is classified in it
  std::int64_t mtime_ns = 0;  // since the epoch
  std::string key{};          // stands for all else that decides the row; see Options::key_of
  bool operator==(const Item&) const = default;
};

enum class Status {
  classified,
  unreadable,  // no verdict: `error` says why
  crashed,     // its worker ended by a signal
  timeout
};

inline constexpr std::size_t kMostBlamed = 16;

struct Row {
  Item item;
  Status status = Status::unreadable;
  std::string error;                                              // "" if classified
  std::string id, shape, confidence, ctrl_c, summary, signature;  // of the verdict; id "" = undetermined
  std::string blame;                                              // the first blamed line; "" if none
  std::vector<std::string> also_blamed;                           // the lines after it, kMostBlamed of them
  std::string python;                                             // "3.13.0"
};

// One line without its end. Keys in a fixed order: the same row is the same text.
std::string to_line(const Row& row);
// Errors: `inconsistent` for what is no row.
Result<Row> from_line(const std::string& line);
// The row of what `hang classify --format json` printed.
Result<Row> row_of_report(const Item& item, const std::string& report);

const char* name_of(Status status);
// "2026-11-22 14:03" UTC
std::string time_of(std::int64_t mtime_ns);

}  // namespace hang::batch
