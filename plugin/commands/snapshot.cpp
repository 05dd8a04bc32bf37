#include "commands/snapshot.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "collect/collect.h"
#include "commands/files.h"
#include "commands/inspect.h"
#include "commands/tree.h"
#include "facts/json.h"
#include "kernel/kernel.h"

namespace hang::commands {
namespace {

using nlohmann::json;

constexpr std::size_t kMostProcesses = 256;  // of a tree

Error io_error(const std::string& doing) {
  return Error{ErrorKind::io, fmt::format("{}: {}", doing, std::strerror(errno))};
}

Result<void> make_folder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0 || (errno == EEXIST && is_folder(path))) return {};
  return io_error("cannot make the folder " + path);
}

// A snapshot is of one moment: what another one left in the folder (a core, processes of its tree) would pass for a
// part of this one.
Result<void> check_unused(const std::string& folder) {
  for (const char* name : {kManifestName, kFactsName, kCoreName})
    if (access((folder + "/" + name).c_str(), F_OK) == 0)
      return Error{ErrorKind::io, fmt::format("{}/{} is there already: name another folder with -o", folder, name)};
  return {};
}

Result<facts::Snapshot> take(std::uint64_t pid, const Arguments& arguments, const Host& host) {
  auto target = host.open_process(pid);
  if (!target) return target.error();
  collect::Options options;
  options.interval = arguments.interval;
  options.assumed_minor = arguments.assumed_minor;
  options.channels = true;
  auto snapshot = collect::collect(**target, options);
  if (snapshot) snapshot->target.host = "native";
  return snapshot;
}

// The process and what descends from it, parents first.
std::vector<std::uint64_t> tree_of(std::uint64_t root) {
  std::vector<std::uint64_t> pids{root};
  for (std::size_t i = 0; i < pids.size(); ++i) {
    facts::Snapshot snapshot;
    if (!kernel::read_process(pids[i], snapshot)) continue;
    for (const auto& child : snapshot.kernel.process.children) {
      const auto pid = static_cast<std::uint64_t>(child.pid);
      if (pids.size() < kMostProcesses && std::find(pids.begin(), pids.end(), pid) == pids.end()) pids.push_back(pid);
    }
  }
  return pids;
}

// One process into one folder, which says itself what it is; its facts.
Result<facts::Snapshot> write_folder(const std::string& folder, std::uint64_t pid, const Arguments& arguments,
                                     const Host& host) {
  auto snapshot = take(pid, arguments, host);
  if (!snapshot) return snapshot.error();
  if (auto made = make_folder(folder); !made) return made.error();
  json files = json::array({kFactsName});
  if (auto done = write_file(folder + "/" + kFactsName, facts::to_json_text(*snapshot)); !done) return done.error();
  if (arguments.with_core) {
    if (!host.write_core) return Error{ErrorKind::usage, "this host writes no cores"};
    if (auto done = host.write_core(pid, folder + "/" + kCoreName); !done) return done.error();
    files.push_back(kCoreName);
  }
  const json manifest = {{"hang_snapshot", 1},
                         {"pid", pid},
                         {"taken_at", snapshot->taken_at},
                         {"python", snapshot->python ? snapshot->python->version : ""},
                         {"exe", snapshot->target.exe},
                         {"files", files}};
  const auto text = manifest.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
  if (auto done = write_file(folder + "/" + kManifestName, text); !done) return done.error();
  return snapshot;
}

Output write_tree(const std::string& folder, const Arguments& arguments, const Host& host) {
  Output output;
  std::vector<std::uint64_t> pids{*arguments.pid};
  if (arguments.tree) pids = tree_of(*arguments.pid);
  for (std::size_t i = 0; i < pids.size(); ++i) {
    const auto pid = pids[i];
    const std::string path = i == 0 ? folder : fmt::format("{}/{}", folder, pid);
    auto taken = write_folder(path, pid, arguments, host);
    if (i == 0 && !taken) return failure(taken.error());
    output.out +=
        taken ? fmt::format("{}\n", path) : fmt::format("not process {}: {}\n", pid, taken.error().describe());
    if (!taken || !arguments.tree) continue;
    for (const auto next : next_processes(*taken))
      if (pids.size() < kMostProcesses && std::find(pids.begin(), pids.end(), next) == pids.end()) pids.push_back(next);
  }
  return output;
}

// Reads all of standard input, zeros as holes.
Result<void> copy_core(const std::string& path) {
  const int fd = open_private(path);
  if (fd < 0) return io_error("cannot write " + path);
  std::vector<char> chunk(1 << 16);
  off_t size = 0;
  ssize_t count = 0;
  bool written = true;
  while (written && ((count = read(STDIN_FILENO, chunk.data(), chunk.size())) > 0 || (count < 0 && errno == EINTR))) {
    if (count < 0) continue;
    const bool zeros = std::all_of(chunk.begin(), chunk.begin() + count, [](char byte) { return byte == 0; });
    written = zeros || pwrite(fd, chunk.data(), static_cast<std::size_t>(count), size) == count;
    size += count;
  }
  written = written && ftruncate(fd, size) == 0;
  const bool closed = close(fd) == 0;
  return written && closed ? Result<void>() : io_error("cannot write " + path);
}

// In a process that dumps core its threads are on their way out: what state they are in says nothing any more.
void forget_states(facts::Snapshot& snapshot) {
  snapshot.kernel.process.state.reset();
  for (auto& thread : snapshot.threads) {
    thread.state.reset();
    thread.wait = {};
    thread.pc.reset();
  }
}

// Nothing here may keep the kernel from getting rid of the core: what cannot be read becomes a gap.
facts::Snapshot kernel_facts(std::uint64_t pid) {
  facts::Snapshot snapshot;
  snapshot.taken_at = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::now()));
  snapshot.target.pid = pid;
  snapshot.target.host = "core_pattern";
  if (auto done = kernel::read_process(pid, snapshot); !done)
    snapshot.gaps.push_back({"the process", done.error().describe(), {}});
  if (auto done = kernel::read_fds(pid, snapshot); !done)
    snapshot.gaps.push_back({"descriptors", done.error().describe(), {"L1", "N3", "S1"}});
  forget_states(snapshot);
  return snapshot;
}

}  // namespace

Output run_snapshot(const Command&, const Arguments& given, const Host& host) {
  auto arguments = with_source(given);
  if (!arguments) return failure(arguments.error());
  if (!host.open_process || !arguments->pid)
    return failure(Error{ErrorKind::usage, "no process named: give -p PID (on the command line)"});
  const std::string path = arguments->output.empty() ? fmt::format("hang-{}", *arguments->pid) : arguments->output;
  if (!path.ends_with(".json")) {
    if (auto unused = check_unused(path); !unused) return failure(unused.error());
    return write_tree(path, *arguments, host);
  }
  if (arguments->tree || arguments->with_core)
    return failure(Error{ErrorKind::usage, "--tree and --core need a folder, not one file"});
  auto snapshot = take(*arguments->pid, *arguments, host);
  if (!snapshot) return failure(snapshot.error());
  if (auto done = write_file(path, facts::to_json_text(*snapshot)); !done) return failure(done.error());
  return {path + "\n", {}, 0};
}

Output run_core_helper(const Command&, const Arguments& given, const Host& host) {
  if (!host.open_process) return failure(Error{ErrorKind::usage, "core-helper is for the command line"});
  auto arguments = with_source(given);
  if (!arguments) return failure(arguments.error());
  if (!arguments->pid || arguments->output.empty())
    return failure(Error{ErrorKind::usage, "wanted: hang core-helper PID -o FILE, with the core on standard input"});
  // Before the core is read: the process is there as long as the kernel has not got rid of it.
  const auto snapshot = kernel_facts(*arguments->pid);
  auto copied = copy_core(arguments->output);
  auto saved = write_file(arguments->output + kSidecarSuffix, facts::to_json_text(snapshot), Mode::as_a_core);
  if (!copied) return failure(copied.error());
  if (!saved) return failure(saved.error());
  return {};
}

}  // namespace hang::commands
