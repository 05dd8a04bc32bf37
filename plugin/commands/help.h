// Help: the declarations of the commands in words, for a terminal and for docs/commands.md.
#pragma once

#include <string>
#include <string_view>

#include "commands/table.h"

namespace hang::commands {

// `hang help`
std::string overview_text(const Host& host);
// `hang help COMMAND`
std::string command_text(const Command& command, const Host& host);
// "hang 0.1.0"
std::string version_text();
// The error for a name that is no command, with the nearest one that is.
Output unknown_command(std::string_view name);

}  // namespace hang::commands
