// Arguments: the command line of one command, parsed by the table of options that every host shares.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "commands/commands.h"

namespace hang::commands {

// PID_MAX_LIMIT on 64 bits (include/linux/threads.h).
inline constexpr std::uint64_t kMaxPid = 4 * 1024 * 1024;

enum class Format { text, json, dot, mermaid };
enum class Color { automatic, always, never };

// What only `hang batch` takes.
struct BatchArguments {
  std::vector<std::string> paths;
  std::optional<unsigned> jobs;  // absent: as many as there are processors
  double timeout_s = 60;
  std::uint64_t memory_mib = 4096;
  std::string shard;  // "2/4"
  bool merge = false;
  bool coredumpctl = false;
  std::string journal;  // a folder; "" = the system's
  std::string database, page;
};

struct Arguments {
  std::optional<std::uint64_t> pid;   // -p
  std::string facts_file, save_file;  // "" = not given
  CoreSource core;                    // --core, --exe, --sysroot
  std::string source;                 // a bare PID or PATH
  std::string output;                 // -o
  bool with_core = false, tree = false;
  bool channels = false;  // read those inside the process: they are asked for, or kept
  BatchArguments batch;
  std::chrono::milliseconds interval{50};
  std::optional<int> assumed_minor;  // 11 of --assume-python 3.11
  Format format = Format::text;
  Color color = Color::automatic;
  bool verbose = false;
  bool help = false;  // -h: the help of the command instead of the command
  std::string topic;  // hang help COMMAND, hang explain SHAPE
  bool markdown = false;
};

// Which set of options a command takes.
enum class OptionSet { report, classify, graph, explain, help, snapshot, core_helper, batch };

// The options of a set, for help texts; hidden ones are left out.
std::vector<OptionInfo> option_list(OptionSet set);

// Parses `words` (the arguments after the command's name). Errors: `usage`, one line. `debugger` refuses the options
// that only make sense where there is no debugger. Never throws.
Result<Arguments> parse(OptionSet set, std::span<const std::string> words, bool debugger);

}  // namespace hang::commands
