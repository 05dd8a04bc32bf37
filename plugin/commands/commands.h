// Commands: each declared once (name, summary, help, options, examples) and run by every host in the same words.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "report/report.h"
#include "target/target.h"

namespace hang::commands {

// What a host gives a command.
struct Host {
  std::string name;                // "lldb", "cli"
  // The target that the host is looking at already (a debugger's); null if the command line says which (-p, --facts).
  Target* target = nullptr;
  // Opens a live process by pid without a debugger; null in a debugger.
  std::function<Result<std::unique_ptr<Target>>(std::uint64_t pid)> open_process;
  report::Style style;
};

// What a command produced. Hosts print `out` and `err` to where they belong and pass `exit_code` on.
struct Output {
  std::string out, err;
  int exit_code = 0;  // 0 no hang, 1 a hang was named, 2 usage or target unreadable, 3 undetermined
};

struct CommandInfo {
  std::string name, summary, help;
  std::vector<std::string> examples;
};
const std::vector<CommandInfo>& command_list();

// Runs `hang ARGS...`. Never throws.
Output run(const std::vector<std::string>& args, const Host& host);

}  // namespace hang::commands
