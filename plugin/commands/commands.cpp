#include "commands/commands.h"

#include <exception>
#include <span>

#include "commands/arguments.h"
#include "commands/help.h"
#include "commands/inspect.h"
#include "commands/table.h"

namespace hang::commands {
namespace {

Output run_checked(const std::vector<std::string>& args, const Host& host) {
  if (args.empty() || args[0] == "--help" || args[0] == "-h") return {overview_text(host), {}, 0};
  if (args[0] == "--version" || args[0] == "-V") return {version_text(), {}, 0};
  const Command* command = find_command(args[0]);
  if (command == nullptr) return unknown_command(args[0]);
  auto arguments = parse(command->options, std::span(args).subspan(1), !host.open_process);
  if (!arguments) {
    return failure(Error{ErrorKind::usage, arguments.error().message + "; see `hang help " + args[0] + "`"});
  }
  if (arguments->help) return {command_text(*command, host), {}, 0};
  return command->run(*command, *arguments, host);
}

}  // namespace

const std::vector<CommandInfo>& command_list() {
  static const std::vector<CommandInfo> list = [] {  // constant, as the table that it repeats
    std::vector<CommandInfo> infos;
    for (const auto& command : command_table()) infos.push_back(command.info);
    return infos;
  }();
  return list;
}

// The one place where a command's exceptions end: what is left to throw is the library's (out of memory, a format).
Output run(const std::vector<std::string>& args, const Host& host) {
  try {
    return run_checked(args, host);
  } catch (const std::exception& error) {
    return failure(Error{ErrorKind::inconsistent, std::string("internal error: ") + error.what()});
  } catch (...) {
    return failure(Error{ErrorKind::inconsistent, "internal error"});
  }
}

}  // namespace hang::commands
