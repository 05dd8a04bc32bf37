// The three hosts as a user runs them, and the verdict that each prints.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "command.h"

namespace hang::test {

struct Report {
  std::optional<nlohmann::json> json;  // absent: none was printed
  CommandResult command;               // for the message of a failed test
};

// `hang classify --format json ARGUMENTS...`
Report classify_in_cli(const std::vector<std::string>& arguments);

// "" = usable; otherwise why there is no LLDB to test with.
std::string why_no_lldb();
// Both load the plugin, look at the process or core, and run `hang classify --format json`.
Report classify_in_lldb(pid_t pid);
// `root`: "", or the root file system that the libraries of the core's process are in.
Report classify_core_in_lldb(const std::string& executable, const std::string& core, const std::string& root = "");

// The same for GDB.
std::string why_no_gdb();
Report classify_in_gdb(pid_t pid);
Report classify_core_in_gdb(const std::string& executable, const std::string& core, const std::string& root = "");

// LLDB's own core of a live process, a minidump.
CommandResult save_core_in_lldb(pid_t pid, const std::string& core);

// The first balanced JSON object at or after `from`.
std::optional<nlohmann::json> find_json(const std::string& text, std::size_t from = 0);

}  // namespace hang::test
