// Table: every command, declared once.
#pragma once

#include <string_view>
#include <vector>

#include "commands/arguments.h"
#include "commands/commands.h"

namespace hang::commands {

struct Command {
  CommandInfo info;
  OptionSet options;
  Output (*run)(const Command& command, const Arguments& arguments, const Host& host);
};

// In the order in which help lists them.
const std::vector<Command>& command_table();

// Null if there is no such command.
const Command* find_command(std::string_view name);

}  // namespace hang::commands
