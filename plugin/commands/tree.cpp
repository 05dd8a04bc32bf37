#include "commands/tree.h"

#include <algorithm>
#include <dirent.h>
#include <memory>
#include <set>
#include <utility>

#include "collect/collect.h"
#include "commands/files.h"
#include "commands/inspect.h"
#include "verdict/process_tree.h"

namespace hang::commands {
namespace {

constexpr std::size_t kMostProcesses = 64;

// What was taken of the others by `hang snapshot --tree`: a folder for each within that of the first.
std::vector<facts::Snapshot> saved_beside(const std::string& folder, std::uint64_t root) {
  std::vector<facts::Snapshot> snapshots;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), closedir);
  if (!entries) return snapshots;
  std::vector<std::string> names;
  while (const dirent* entry = readdir(entries.get())) names.emplace_back(entry->d_name);
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    const std::string path = folder + "/" + name;
    if (name.starts_with('.') || !is_snapshot(path) || snapshots.size() >= kMostProcesses) continue;
    auto snapshot = load_facts(path);
    if (snapshot && snapshot->target.pid != root) snapshots.push_back(std::move(*snapshot));
  }
  return snapshots;
}

// The CPythons among the processes that the first one's waits lead to, and theirs. One that is none is described by
// what its neighbour's facts say of it; one that could not be read is a gap of the first.
std::vector<facts::Snapshot> live_others(facts::Snapshot& first, const Arguments& arguments, const Host& host) {
  std::vector<facts::Snapshot> others;
  collect::Options options;
  options.interval = arguments.interval;
  std::set<std::uint64_t> seen{first.target.pid};
  std::vector<std::uint64_t> pids = next_processes(first);
  for (std::size_t i = 0; i < pids.size(); ++i) {
    if (!seen.insert(pids[i]).second) continue;
    if (seen.size() > kMostProcesses) {
      first.gaps.push_back(
          {"all processes of the tree", "only the first " + std::to_string(kMostProcesses) + " were looked at", {}});
      break;
    }
    auto target = host.open_process(pids[i]);
    auto snapshot = target ? collect::collect(**target, options) : Result<facts::Snapshot>(target.error());
    if (snapshot) {
      snapshot->target.host = "native";
      const auto next = next_processes(*snapshot);
      pids.insert(pids.end(), next.begin(), next.end());
      others.push_back(std::move(*snapshot));
    } else if (snapshot.error().kind != ErrorKind::not_python && snapshot.error().kind != ErrorKind::no_such_process) {
      first.gaps.push_back({"process " + std::to_string(pids[i]), snapshot.error().describe(), {}});
    }
  }
  return others;
}

}  // namespace

std::vector<std::uint64_t> next_processes(const facts::Snapshot& snapshot) {
  std::vector<std::uint64_t> pids;
  for (const auto& neighbour : snapshot.kernel.neighbours)
    if (neighbour.exists) pids.push_back(neighbour.pid);
  return pids;
}

Output run_classify_tree(const Arguments& arguments, const Host& host) {
  return inspect(arguments, host, [&](const facts::Snapshot& given, const report::Style& style) -> Output {
    const auto source = with_source(arguments);  // inspect() has refused what is wrong in it
    std::vector<facts::Snapshot> snapshots{given};
    std::vector<facts::Snapshot> others;
    if (source && given.target.kind == facts::TargetKind::live && host.open_process)
      others = live_others(snapshots.front(), arguments, host);
    else if (source && is_snapshot(source->facts_file))
      others = saved_beside(source->facts_file, given.target.pid);
    std::move(others.begin(), others.end(), std::back_inserter(snapshots));
    if (!snapshots.front().python) return failure(Error{ErrorKind::not_python, "the facts are of no CPython"});
    const auto tree = verdict::process_tree(snapshots);
    const bool json = arguments.format == Format::json;
    return {json ? report::tree_json(tree) : report::tree_text(tree, style), {}, tree.blamed().verdict->exit_code()};
  });
}

}  // namespace hang::commands
