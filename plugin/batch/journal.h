// Journal: the rows of a batch in a file of JSON Lines, written as they come and read again when the batch goes on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "batch/row.h"

namespace hang::batch {

using Rows = std::map<std::string, Row>;  // by path

// Adds the rows of a file; a later row of a path takes the place of an earlier one. A last line that was cut off is no
// error; returns how many there were (0 or 1). Errors: `io`, also for what is no regular file; `inconsistent` with its
// number for any other line that is no row.
Result<std::size_t> read_rows(const std::string& path, Rows& rows);

// Fails if what is there would not be replaced by a file: a device, a FIFO, a folder. Errors: `io`.
Result<void> check_output(const std::string& path);

class Journal {
 public:
  Journal() = default;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  ~Journal();

  // Appends to `path` after its last whole line. Errors: `io`.
  Result<void> open(const std::string& path);
  Result<void> append(const Row& row);
  // Puts the rows, sorted by path, in the file's place at once: what was there before stays until that is done.
  static Result<void> replace(const std::string& path, const Rows& rows);

 private:
  int fd_ = -1;
  std::string path_;
};

}  // namespace hang::batch
