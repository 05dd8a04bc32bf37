// Runs a program to its end and keeps what it said.
#pragma once

#include <chrono>
#include <string>
#include <sys/types.h>
#include <vector>

namespace hang::test {

struct CommandResult {
  int exit_code = -1;  // minus the signal number if a signal ended it
  bool timed_out = false;
  std::string out, err;
};

// `command[0]` is looked up in PATH. Kills it (SIGKILL) at the deadline.
CommandResult run_command(const std::vector<std::string>& command,
                          std::chrono::milliseconds deadline = std::chrono::seconds(120));

// The full path of a program of PATH, "" if there is none.
std::string find_program(const std::string& name);

}  // namespace hang::test
