#include "hosts/cli/batch_command.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "batch/batch.h"
#include "commands/file_kind.h"
#include "commands/files.h"
#include "hosts/cli/stored_core.h"
#include "hosts/coredumps/records.h"

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
  if (!given.journal.empty() && !given.coredumpctl) return usage("--journal is for --coredumpctl");
  if (given.coredumpctl && given.merge) return usage("--merge puts results together and reads no journal");
  if (given.paths.empty() && !given.coredumpctl)
    return usage("nothing named to look at: give cores, snapshots, files of facts, or folders");
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
batch::Row classify(const batch::Item& item, const std::string& path, const Arguments& arguments,
                    const commands::Host& host) {
  batch::Row row;
  row.item = item;
  auto kind = commands::kind_of_file(path);
  if (!kind) {
    row.error = kind.error().message;
    return row;
  }
  const bool core = *kind == commands::FileKind::core;
  std::vector<std::string> words{"classify", core ? "--core" : "--facts", path, "--format", "json"};
  if (core && !arguments.core.sysroot.empty()) words.insert(words.end(), {"--sysroot", arguments.core.sysroot});
  const auto output = commands::run(words, host);
  auto read = batch::row_of_report(item, output.out);
  if (read) return *read;
  row.error = output.err.starts_with("hang: ") ? output.err.substr(6) : read.error().message;
  while (row.error.ends_with('\n')) row.error.pop_back();
  return row;
}

// The records of the journal by the names of their items.
using Records = std::map<std::string, coredumps::Record>;

Result<Records> records_of(const Arguments& arguments) {
  Records records;
  if (!arguments.batch.coredumpctl) return records;
  auto found = coredumps::list_records(arguments.batch.journal);
  if (!found) return found.error();
  for (auto& record : *found) {
    auto name = name_of(record);
    records.insert_or_assign(std::move(name), std::move(record));
  }
  return records;
}

std::vector<batch::Item> items_of(const Records& records) {
  std::vector<batch::Item> items;
  for (const auto& [name, record] : records) {
    std::error_code gone;
    const auto size = record.file.empty() ? 0 : std::filesystem::file_size(record.file, gone);
    items.push_back({name, gone ? 0 : size, record.time_us * 1000});
  }
  return items;
}

// In a worker: only the record's place in the journal came with the item, so that nothing has to lie about for it.
batch::Row classify_record(const batch::Item& item, const coredumps::Record& record, const Arguments& arguments,
                           commands::Host host) {
  const auto core = StoredCore::open(arguments.batch.journal, record);
  if (!core) {
    batch::Row row;
    row.item = item;
    row.error = core.error().message;
    return row;
  }
  host.sidecar = &core->sidecar();
  auto row = classify(item, core->path(), arguments, host);
  // The number of a descriptor of ours tells nobody anything, and differs between runs.
  if (const auto at = row.error.find(core->path()); at != std::string::npos)
    row.error.replace(at, core->path().size(), item.path);
  return row;
}

// What a file is known by: its size and time. Nothing of one that is not there.
std::string stamp_of(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {};
  return fmt::format("{}@{}.{:09}", status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

// FNV-1a, as for signatures: it is stored.
std::string hash_of(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

// All that decides a verdict besides the item's own file. Of a record the journal is the sidecar, and does not change.
std::string key_of(const batch::Item& item, bool record, const Arguments& arguments, const std::string& version) {
  std::string beside = record ? "journal" : "";
  if (!record) {
    const auto sidecar = commands::sidecar_of(item.path);
    beside = commands::is_snapshot(item.path) ? stamp_of(item.path + "/" + commands::kFactsName)
             : sidecar                        ? stamp_of(*sidecar)
                                              : "";
  }
  return hash_of(version + "|" + arguments.core.sysroot + "|" + beside);
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
  const auto records = records_of(arguments);
  if (!records) return failed(records.error());
  options->items = items_of(*records);
  const auto version = commands::run({"--version"}, host).out;
  options->key_of = [&](const batch::Item& item) {
    return key_of(item, records->contains(item.path), arguments, version);
  };
  std::string notes;
  options->note = [&](const std::string& text) { notes += "hang: " + text + "\n"; };
  auto rows = batch::run(*options, is_snapshot, [&](const batch::Item& item) {
    const auto record = records->find(item.path);
    return record == records->end() ? classify(item, item.path, arguments, host)
                                    : classify_record(item, record->second, arguments, host);
  });
  if (!rows) return failed(rows.error());
  commands::Output output;
  output.err = std::move(notes);
  output.exit_code = batch::exit_code_of(*rows);
  if (arguments.format == commands::Format::json) {
    for (const auto& [path, row] : *rows) output.out += batch::to_line(row) + "\n";
  } else {
    // What is no terminal has no width.
    const auto width = isatty(STDOUT_FILENO) != 0 ? host.style.width : 0;
    output.out = batch::table_text(batch::groups_of(*rows), width);
  }
  return output;
}

}  // namespace hang::cli
