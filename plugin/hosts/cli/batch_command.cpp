#include "hosts/cli/batch_command.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <thread>
#include <unistd.h>

#include "batch/batch.h"
#include "commands/file_kind.h"

namespace hang::cli {
namespace {

using commands::Arguments;

Error usage(std::string message) {
  return Error{ErrorKind::usage, std::move(message)};
}

// "2/4"
Result<batch::Shard> shard_of(const std::string& text) {
  batch::Shard shard;
  if (text.empty()) return shard;
  const char* const end = text.data() + text.size();
  const auto index = std::from_chars(text.data(), end, shard.index);
  const bool slash = index.ec == std::errc() && index.ptr != end && *index.ptr == '/';
  const auto count = slash ? std::from_chars(index.ptr + 1, end, shard.count) : index;
  if (!slash || count.ec != std::errc() || count.ptr != end || shard.index < 1 || shard.index > shard.count)
    return usage("--shard wants I/N with 1 <= I <= N, not " + text.substr(0, 32));
  return shard;
}

Result<batch::Options> options_of(const Arguments& arguments) {
  const auto& given = arguments.batch;
  if (given.paths.empty()) return usage("nothing named to look at: give cores, snapshots, files of facts, or folders");
  auto shard = shard_of(given.shard);
  if (!shard) return shard.error();
  if (given.merge && !given.shard.empty()) return usage("--merge puts shards together and has none itself");
  batch::Options options;
  options.paths = given.paths;
  options.shard = *shard;
  options.limits.jobs = given.jobs.value_or(std::max(std::thread::hardware_concurrency(), 1U));
  options.limits.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(given.timeout_s * 1000));
  options.limits.memory = given.memory_mib << 20U;
  options.merge = given.merge;
  options.results = arguments.output;
  options.database = given.database;
  options.page = given.page;
  options.progress = isatty(STDERR_FILENO) != 0;
  return options;
}

// One item, as `hang classify PATH` would do it.
batch::Row classify(const batch::Item& item, const Arguments& arguments, const commands::Host& host) {
  batch::Row row;
  row.item = item;
  auto kind = commands::kind_of_file(item.path);
  if (!kind) {
    row.error = kind.error().message;
    return row;
  }
  const bool core = *kind == commands::FileKind::core;
  std::vector<std::string> words{"classify", core ? "--core" : "--facts", item.path, "--format", "json"};
  if (core && !arguments.core.sysroot.empty()) words.insert(words.end(), {"--sysroot", arguments.core.sysroot});
  const auto output = commands::run(words, host);
  auto read = batch::row_of_report(item, output.out);
  if (read) return *read;
  row.error = output.err.starts_with("hang: ") ? output.err.substr(6) : read.error().message;
  while (row.error.ends_with('\n')) row.error.pop_back();
  return row;
}

bool is_snapshot(const std::string& folder) {
  std::error_code error;
  return std::filesystem::is_regular_file(folder + "/snapshot.json", error);
}

}  // namespace

commands::Output run_batch(const Arguments& arguments, const commands::Host& host) {
  const auto failed = [](const Error& error) { return commands::Output{{}, "hang: " + error.describe() + "\n", 2}; };
  auto options = options_of(arguments);
  if (!options) return failed(options.error());
  auto rows =
      batch::run(*options, is_snapshot, [&](const batch::Item& item) { return classify(item, arguments, host); });
  if (!rows) return failed(rows.error());
  commands::Output output;
  output.exit_code = batch::exit_code_of(*rows);
  if (arguments.format == commands::Format::json) {
    for (const auto& [path, row] : *rows) output.out += batch::to_line(row) + "\n";
  } else {
    output.out = batch::table_text(batch::groups_of(*rows), host.style.width);
  }
  return output;
}

}  // namespace hang::cli
