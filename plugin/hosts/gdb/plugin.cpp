// The exported functions of libhang_gdb.so. Nothing thrown leaves them.
#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "commands/commands.h"
#include "hosts/gdb/debugger.h"
#include "hosts/gdb/gdb_target.h"
#include "hosts/gdb/hang_gdb.h"

namespace hang::gdb_host {
namespace {

constexpr int kMinWidth = 60, kMaxWidth = 200;
// `help hang NAME` is shown at any width.
constexpr int kHelpWidth = 78;

struct ResultTexts : hang_gdb_result {
  explicit ResultTexts(commands::Output from) : hang_gdb_result{}, output(std::move(from)) {
    out = output.out.c_str();
    err = output.err.c_str();
    exit_code = output.exit_code;
  }
  commands::Output output;
};

struct CommandTexts {
  std::string name, summary, help, flags;
};

std::string flags_of(const commands::CommandInfo& info) {
  std::string flags;
  for (const auto& option : info.options) {
    if (!option.in_debuggers || !option.flags.starts_with('-')) continue;
    flags += (flags.empty() ? "" : " ") + option.flags;
  }
  std::replace(flags.begin(), flags.end(), ',', ' ');
  return flags;
}

std::vector<CommandTexts> command_texts() {
  commands::Host host;
  host.name = "gdb";
  host.style.width = kHelpWidth;
  std::vector<CommandTexts> texts;
  for (const auto& info : commands::command_list())
    texts.push_back({info.name, info.summary, commands::run({"help", info.name}, host).out, flags_of(info)});
  return texts;
}

commands::Output run(const hang_gdb_debugger& from, const std::vector<std::string>& args, int width, bool color) {
  commands::Host host;
  host.name = "gdb";
  host.style.color = color;
  if (width > 0) host.style.width = std::clamp(width, kMinWidth, kMaxWidth);
  Debugger debugger(from);
  auto target = GdbTarget::open(debugger);
  if (target)
    host.target = target->get();
  else
    host.no_target = target.error().describe();
  auto output = commands::run(args, host);
  if (debugger.interrupted()) return {{}, "hang: interrupted\n", 2};
  return output;
}

commands::Output checked_run(const hang_gdb_debugger* debugger, std::uint64_t argc, const char* const* argv,
                             std::int64_t width, bool color) {
  if (const std::string wrong = wrong_abi(debugger); !wrong.empty()) return {{}, "hang: " + wrong + "\n", 2};
  std::vector<std::string> args;
  for (std::uint64_t i = 0; i < argc && argv != nullptr && argv[i] != nullptr; ++i) args.emplace_back(argv[i]);
  return run(*debugger, args, static_cast<int>(std::clamp<std::int64_t>(width, 0, kMaxWidth)), color);
}

}  // namespace
}  // namespace hang::gdb_host

using hang::gdb_host::checked_run;
using hang::gdb_host::command_texts;
using hang::gdb_host::CommandTexts;
using hang::gdb_host::ResultTexts;

std::uint64_t hang_gdb_abi() {
  return HANG_GDB_ABI;
}

const hang_gdb_command* hang_gdb_commands(std::uint64_t* count) {
  try {
    static const std::vector<CommandTexts> texts = command_texts();  // constant, as the table that it repeats
    static const std::vector<hang_gdb_command> list = [] {
      std::vector<hang_gdb_command> commands;
      for (const auto& text : texts)
        commands.push_back({text.name.c_str(), text.summary.c_str(), text.help.c_str(), text.flags.c_str()});
      return commands;
    }();
    if (count != nullptr) *count = list.size();
    return list.data();
  } catch (...) {
    if (count != nullptr) *count = 0;
    return nullptr;
  }
}

const hang_gdb_result* hang_gdb_run(const hang_gdb_debugger* debugger, std::uint64_t argc, const char* const* argv,
                                    std::int64_t width, std::int64_t color) {
  try {
    return std::make_unique<ResultTexts>(checked_run(debugger, argc, argv, width, color != 0)).release();
  } catch (...) {
    return nullptr;
  }
}

void hang_gdb_free(const hang_gdb_result* result) {
  delete static_cast<const ResultTexts*>(result);
}
