// Commands: each declared once (name, summary, help, options, examples) and run by every host in the same words.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "facts/facts.h"
#include "report/report.h"
#include "target/target.h"

namespace hang::commands {

// A core and where the program files are that it leaves out; "" = not said.
struct CoreSource {
  std::string path, executable, sysroot;
};

// What a command produced. Hosts print `out` and `err` to where they belong and pass `exit_code` on.
struct Output {
  std::string out, err;
  int exit_code = 0;  // 0 no hang, 1 a hang was named, 2 usage or target unreadable, 3 undetermined
};

struct Arguments;

// What a host gives a command.
struct Host {
  std::string name;  // "lldb", "cli"
  // The target that the host is looking at already (a debugger's); null if the command line says which (-p, --facts).
  Target* target = nullptr;
  // Opens a live process by pid without a debugger; null in a debugger.
  std::function<Result<std::unique_ptr<Target>>(std::uint64_t pid)> open_process;
  // Opens a core without a debugger; null in a debugger.
  std::function<Result<std::unique_ptr<Target>>(const CoreSource& source)> open_core;
  // Writes a core of a live process without stopping it; null where that cannot be done.
  std::function<Result<void>(std::uint64_t pid, const std::string& path)> write_core;
  // What the kernel knew of the core's process, where it comes from elsewhere than a file beside the core.
  const facts::Snapshot* sidecar = nullptr;
  // `hang batch`; null in a debugger.
  std::function<Output(const Arguments& arguments)> batch;
  // A debugger without a usable target: why, and what to do about it ("no process: attach to one ...").
  std::string no_target;
  report::Style style;  // color: what --color auto means here
};

struct OptionInfo {
  std::string flags;         // "-p,--pid"; "COMMAND" for a positional argument
  std::string value;         // "MS"; "" for a switch
  std::string help;          // one sentence
  bool in_debuggers = true;  // false: the debugger has that already (-p)
};

struct CommandInfo {
  std::string name, summary, help;
  std::vector<std::string> examples;
  std::vector<OptionInfo> options;
};
const std::vector<CommandInfo>& command_list();

// Runs `hang ARGS...` (ARGS without the word hang). Never throws.
Output run(const std::vector<std::string>& args, const Host& host);

// docs/commands.md, generated: `hang help --markdown`.
std::string commands_markdown();

}  // namespace hang::commands
