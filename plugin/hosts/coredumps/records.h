// Records: the cores that systemd-coredump recorded in the journal.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace hang::coredumps {

// Enough to know a record by; the large fields are read when its turn comes.
struct Record {
  std::string cursor;        // where it is in the journal
  std::string file;          // COREDUMP_FILENAME; "" = the core is in the record itself, or was not kept
  std::uint64_t pid = 0;     // COREDUMP_PID
  std::int64_t time_us = 0;  // COREDUMP_TIMESTAMP, since the epoch; without it, that of the record
};

using Fields = std::map<std::string, std::string>;

// `folder` "" is the journal of the system. A journal without such records is no error. Errors: `io`; `usage` in a
// build without libsystemd.
Result<std::vector<Record>> list_records(const std::string& folder);

// Those of the fields `names` that the record has. What is longer than 16 MiB is left out, but for the core itself
// (COREDUMP, up to 1 GiB). Errors: `io`, also where the record is gone.
Result<Fields> read_fields(const std::string& folder, const std::string& cursor, const std::vector<std::string>& names);

}  // namespace hang::coredumps
