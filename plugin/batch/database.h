// Database: the rows as an SQLite file, for questions of one's own. The schema is documented in docs/batch.md.
#pragma once

#include <string>

#include "batch/journal.h"

namespace hang::batch {

// Writes `path` anew, at once. Errors: `io`.
Result<void> write_database(const std::string& path, const Rows& rows);

}  // namespace hang::batch
