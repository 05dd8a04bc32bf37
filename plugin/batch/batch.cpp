#include "batch/batch.h"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <unistd.h>

#include "batch/database.h"
#include "batch/page.h"
#include "batch/progress.h"

namespace hang::batch {
namespace {

// The rows of an earlier run that still say the truth: of the same file, as large and as old as it was, read in the
// same way. What had no verdict may have one now: there is more time, more memory, another mode of the file.
Result<Rows> kept_rows(const Options& options, const std::vector<Item>& items) {
  Rows before, kept;
  if (options.results.empty() || access(options.results.c_str(), F_OK) != 0) return kept;
  if (auto read = read_rows(options.results, before); !read) return read.error();
  for (const auto& item : items)
    if (const auto row = before.find(item.path);
        row != before.end() && row->second.item == item && row->second.status == Status::classified)
      kept.insert(*row);
  return kept;
}

Row refused_row(const Item& item, const std::string& reason) {
  Row row;
  row.item = item;
  row.error = reason;
  return row;
}

Result<Rows> classify_rows(const Options& options, const IsItem& is_item, const Classify& classify) {
  auto [items, refused, empty] = work_list(options.paths, options.shard, is_item, options.items);
  for (const auto& folder : empty) options.note(folder + ": nothing to classify in it");
  for (auto& item : items) item.key = options.key_of(item);
  auto rows = kept_rows(options, items);
  if (!rows) return rows;
  std::vector<Item> left;
  for (const auto& item : items) {
    if (const auto found = refused.find(item.path); found != refused.end())
      rows->insert_or_assign(item.path, refused_row(item, found->second));
    if (!rows->contains(item.path)) left.push_back(item);
  }
  Journal journal;
  if (!options.results.empty())
    if (auto open = journal.open(options.results); !open) return open.error();
  Progress progress(options.progress, items.size(), rows->size());
  Result<void> written;
  const auto keep = [&](Row row) {
    if (!options.results.empty()) written = journal.append(row);
    progress.step();
    const auto path = row.item.path;
    rows->insert_or_assign(path, std::move(row));
    return written.ok();
  };
  auto done = classify_all(left, options.limits, classify, keep, [&](const Running& now) { progress.wait(now); });
  if (!done) return done.error();
  if (!written) return written.error();
  return rows;
}

Result<Rows> merge_rows(const Options& options) {
  Rows rows;
  for (const auto& path : options.paths) {
    const auto cut_off = read_rows(path, rows);
    if (!cut_off) return cut_off.error();
    if (*cut_off > 0) options.note(fmt::format("{}: {} line not understood, it was cut off", path, *cut_off));
  }
  return rows;
}

Result<void> write_page(const std::string& path, const std::string& html) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << html;
  file.close();
  if (!file) return Error{ErrorKind::io, fmt::format("{}: {}", path, std::strerror(errno))};
  return {};
}

}  // namespace

Result<Rows> run(const Options& options, const IsItem& is_item, const Classify& classify) {
  // Both get their places by a new file that is renamed, and that would be the end of a device.
  for (const auto* path : {&options.results, &options.database})
    if (auto usable = path->empty() ? Result<void>() : check_output(*path); !usable) return usable.error();
  auto rows = options.merge ? merge_rows(options) : classify_rows(options, is_item, classify);
  if (!rows) return rows;
  // Workers finish in any order; the result is the same whatever the order was.
  if (!options.results.empty())
    if (auto replaced = Journal::replace(options.results, *rows); !replaced) return replaced.error();
  if (!options.database.empty())
    if (auto written = write_database(options.database, *rows); !written) return written.error();
  if (!options.page.empty())
    if (auto written = write_page(options.page, page_html(groups_of(*rows), *rows)); !written) return written.error();
  return rows;
}

}  // namespace hang::batch
