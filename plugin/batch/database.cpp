#include "batch/database.h"

#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <sqlite3.h>

#include "batch/groups.h"

namespace hang::batch {
namespace {

constexpr const char* kSchema = R"sql(
PRAGMA user_version = 2;
CREATE TABLE results (
  path TEXT PRIMARY KEY,     -- as it was named
  size INTEGER NOT NULL,     -- bytes
  mtime TEXT NOT NULL,       -- UTC, ISO 8601
  status TEXT NOT NULL,      -- classified, unreadable, crashed, timeout
  error TEXT,                -- why there is no verdict
  reason TEXT,               -- the same without the path and numbers: equal for equal reasons
  id TEXT,                   -- S1, L1, ...; NULL = undetermined or no verdict
  shape TEXT,                -- gil-hostage-signal-drop, ...
  confidence TEXT,           -- certain, likely, possible
  ctrl_c TEXT,               -- yes, partly, no, unknown
  blame TEXT,                -- function, file:line
  also_blamed TEXT,          -- the lines after it, one per line
  python TEXT,               -- 3.13.0
  signature TEXT,            -- equal for equal causes
  summary TEXT,
  key TEXT                   -- what else decided the row
) STRICT, WITHOUT ROWID;
CREATE INDEX results_signature ON results (signature);
CREATE VIEW causes AS
  SELECT count(*) AS count, id, coalesce(shape, status) AS shape, ctrl_c, blame, also_blamed, reason,
         min(mtime) AS first, max(mtime) AS last, min(path) AS example, signature
  FROM results GROUP BY status, id, signature, reason ORDER BY count(*) DESC, min(path);
)sql";

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Error failure(const std::string& path, sqlite3* database) {
  return Error{ErrorKind::io,
               fmt::format("{}: {}", path, database != nullptr ? sqlite3_errmsg(database) : "no memory")};
}

void bind(sqlite3_stmt* statement, int at, const std::string& text) {
  if (text.empty()) {
    sqlite3_bind_null(statement, at);
  } else {
    sqlite3_bind_text(statement, at, text.c_str(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }
}

Result<void> insert_all(sqlite3* database, const std::string& path, const Rows& rows) {
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(database, "INSERT INTO results VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", -1, &prepared,
                         nullptr) != SQLITE_OK)
    return failure(path, database);
  const Statement statement(prepared);
  for (const auto& [name, row] : rows) {
    sqlite3_reset(prepared);
    bind(prepared, 1, name);
    sqlite3_bind_int64(prepared, 2, static_cast<sqlite3_int64>(row.item.size));
    bind(prepared, 3, time_of(row.item.mtime_ns));
    bind(prepared, 4, name_of(row.status));
    const auto reason = kind_of_reason(row);
    const auto also = fmt::format("{}", fmt::join(row.also_blamed, "\n"));
    int at = 5;
    for (const auto* text : {&row.error, &reason, &row.id, &row.shape, &row.confidence, &row.ctrl_c, &row.blame, &also,
                             &row.python, &row.signature, &row.summary, &row.item.key})
      bind(prepared, at++, *text);
    if (sqlite3_step(prepared) != SQLITE_DONE) return failure(path, database);
  }
  return {};
}

}  // namespace

Result<void> write_database(const std::string& path, const Rows& rows) {
  const std::string next = path + ".tmp";
  std::remove(next.c_str());
  sqlite3* opened = nullptr;
  const bool open = sqlite3_open(next.c_str(), &opened) == SQLITE_OK;
  Database database(opened);
  if (!open) return failure(path, opened);
  // The file takes its place only when it is whole, so that no journal is needed.
  if (sqlite3_exec(opened, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;", nullptr, nullptr, nullptr) !=
          SQLITE_OK ||
      sqlite3_exec(opened, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK)
    return failure(path, opened);
  if (auto inserted = insert_all(opened, path, rows); !inserted) return inserted;
  if (sqlite3_exec(opened, "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK) return failure(path, opened);
  database.reset();
  if (std::rename(next.c_str(), path.c_str()) != 0) return Error{ErrorKind::io, path + ": cannot be written"};
  return {};
}

}  // namespace hang::batch
