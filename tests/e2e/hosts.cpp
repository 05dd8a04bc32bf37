#include "hosts.h"

namespace hang::test {
namespace {

// The newest lldb-N of PATH, else lldb.
std::string find_lldb() {
  for (int version = 30; version >= 14; --version)
    if (std::string path = find_program("lldb-" + std::to_string(version)); !path.empty()) return path;
  return find_program("lldb");
}

const std::string& lldb() {
  static const std::string path = find_lldb();
  return path;
}

std::string plugin() {
#ifdef HANG_LLDB_PLUGIN
  return HANG_LLDB_PLUGIN;
#else
  return "";
#endif
}

constexpr const char* kClassify = "hang classify --format json";

Report run_lldb(std::vector<std::string> before, const std::vector<std::string>& after) {
  // Symbol tables on demand: these tests attach hundreds of times.
  std::vector<std::string> command{lldb(), "-b", "--no-lldbinit", "-o", "settings set target.preload-symbols false"};
  command.insert(command.end(), {"-o", "plugin load " + plugin()});
  command.insert(command.end(), before.begin(), before.end());
  command.insert(command.end(), {"-o", kClassify});
  command.insert(command.end(), after.begin(), after.end());
  Report report{std::nullopt, run_command(command)};
  const auto echo = report.command.out.find(std::string("(lldb) ") + kClassify);
  if (echo != std::string::npos) report.json = find_json(report.command.out, echo);
  return report;
}

std::string gdb_script() {
#ifdef HANG_GDB_SCRIPT
  return HANG_GDB_SCRIPT;
#else
  return "";
#endif
}

Report run_gdb(const std::vector<std::string>& before) {
  const std::string mark = "hang begins here";
  std::vector<std::string> command{"gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off"};
  for (const std::string& word : before) command.insert(command.end(), {"-ex", word});
  command.insert(command.end(), {"-ex", "source " + gdb_script(), "-ex", "echo " + mark, "-ex", kClassify});
  Report report{std::nullopt, run_command(command)};
  const auto begin = report.command.out.find(mark);
  if (begin != std::string::npos) report.json = find_json(report.command.out, begin);
  return report;
}

}  // namespace

std::string why_no_gdb() {
  if (gdb_script().empty()) return "built without the GDB host (HANG_GDB=OFF)";
  if (find_program("gdb").empty()) return "no gdb in PATH";
  return "";
}

Report classify_in_gdb(pid_t pid) {
  return run_gdb({"attach " + std::to_string(pid)});
}

Report classify_core_in_gdb(const std::string& executable, const std::string& core, const std::string& root) {
  return run_gdb({"set sysroot " + root, "file " + executable, "core-file " + core});
}

std::string why_no_lldb() {
  if (plugin().empty()) return "built without the LLDB host (HANG_LLDB=OFF)";
  if (lldb().empty()) return "no lldb in PATH";
  return "";
}

Report classify_in_cli(const std::vector<std::string>& arguments) {
  std::vector<std::string> command{HANG_BINARY, "classify", "--format", "json"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  Report report{std::nullopt, run_command(command)};
  report.json = find_json(report.command.out);
  return report;
}

Report classify_in_lldb(pid_t pid) {
  return run_lldb({"-o", "process attach -p " + std::to_string(pid)}, {"-o", "detach"});
}

Report classify_core_in_lldb(const std::string& executable, const std::string& core, const std::string& root) {
  std::vector<std::string> before;
  if (!root.empty()) before = {"-o", "platform select --sysroot '" + root + "' remote-linux"};
  before.insert(before.end(), {"-o", "target create '" + executable + "' --core '" + core + "'"});
  return run_lldb(before, {});
}

CommandResult save_core_in_lldb(pid_t pid, const std::string& core) {
  return run_command({lldb(), "-b", "--no-lldbinit", "-o", "settings set target.preload-symbols false", "-o",
                      "process attach -p " + std::to_string(pid), "-o", "process save-core --style full '" + core + "'",
                      "-o", "detach"});
}

std::optional<nlohmann::json> find_json(const std::string& text, std::size_t from) {
  const std::size_t start = text.find('{', from);
  if (start == std::string::npos) return std::nullopt;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = start; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') ++i;
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '{') ++depth;
    if (c == '}' && --depth == 0) {
      auto parsed = nlohmann::json::parse(text.substr(start, i - start + 1), nullptr, false);
      if (parsed.is_discarded()) return std::nullopt;
      return parsed;
    }
  }
  return std::nullopt;
}

}  // namespace hang::test
