#include "commands/help.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <vector>

#include "commands/inspect.h"

namespace hang::commands {
namespace {

// Lines longer than this are hard to read, whatever the terminal's width.
constexpr std::size_t kMaxColumns = 100, kMinColumns = 60;

std::size_t columns(const Host& host) {
  return std::clamp(static_cast<std::size_t>(std::max(host.style.width, 0)), kMinColumns, kMaxColumns);
}

bool in_debugger(const Host& host) {
  return !host.open_process;
}

// `text` broken at blanks to `width`, its first line continuing at column `indent`; newlines start new lines.
std::string wrap(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = indent;
  bool line_start = true;
  auto new_line = [&] {
    out += '\n' + std::string(indent, ' ');
    column = indent;
    line_start = true;
  };
  while (!text.empty()) {
    auto end = std::min(text.find_first_of(" \n"), text.size());
    auto word = text.substr(0, end);
    if (!line_start && column + 1 + word.size() > width) new_line();
    if (!line_start) out += ' ';
    out += word;
    column += word.size() + (line_start ? 0 : 1);
    line_start = false;
    if (end < text.size() && text[end] == '\n') new_line();
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

// "  left      right, wrapped": one entry of a table whose right column starts at `indent`.
std::string entry(const std::string& left, std::string_view right, std::size_t indent, std::size_t width) {
  std::string line = "  " + left;
  if (line.size() + 2 > indent) {
    line += '\n' + std::string(indent, ' ');
  } else {
    line.resize(indent, ' ');
  }
  return line + wrap(right, indent, width) + '\n';
}

// "-p, --pid PID"
std::string option_title(const OptionInfo& option) {
  std::string title;
  for (char c : option.flags) title += c == ',' ? std::string(", ") : std::string(1, c);
  if (!option.value.empty()) title += ' ' + option.value;
  return title;
}

bool is_positional(const OptionInfo& option) {
  return !option.flags.starts_with('-');
}

// "hang classify [-p PID] [options]"
std::string usage_line(const Command& command, bool debugger) {
  std::string line = "hang " + command.info.name;
  bool has_switches = false, takes_facts = false;
  for (const auto& option : command.info.options) {
    takes_facts = takes_facts || option.flags == "--facts";
    const bool source = option.flags == "SOURCE";  // among the others, below
    if (is_positional(option) && !source) line += " [" + option.flags + "]";
    has_switches = has_switches || !is_positional(option);
  }
  if (takes_facts && !debugger) line += " -p PID | --core FILE | --facts FILE";
  if (has_switches) line += " [options]";
  return line;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string nearest_command(std::string_view name) {
  std::string best;
  std::size_t distance = 3;  // further away it is another word, not a slip
  if (name.size() > 64) return best;
  for (const auto& command : command_table()) {
    auto d = edit_distance(name, command.info.name);
    if (d < distance || (name.size() >= 3 && command.info.name.starts_with(name) && distance > 0)) {
      distance = command.info.name.starts_with(name) ? 0 : d;
      best = command.info.name;
    }
  }
  return best;
}

}  // namespace

std::string version_text() {
  return "hang " HANG_VERSION "\n";
}

std::string overview_text(const Host& host) {
  const auto width = columns(host);
  constexpr std::size_t kIndent = 16;
  std::string out =
      wrap("hang " HANG_VERSION ": names why a CPython process hangs, from outside, with the evidence.", 0, width);
  out += in_debugger(host)
             ? "\n\nUsage: hang COMMAND [options]\n\nCommands, for the process or core of this debugger:\n"
             : "\n\nUsage: hang COMMAND -p PID [options]\n\nCommands:\n";
  for (const auto& command : command_table()) out += entry(command.info.name, command.info.summary, kIndent, width);
  out += "\nStart with `hang classify`; `hang help COMMAND` explains a command.\n";
  return out;
}

std::string command_text(const Command& command, const Host& host) {
  const auto width = columns(host);
  constexpr std::size_t kIndent = 28;
  const bool debugger = in_debugger(host);
  std::string out = fmt::format("hang {}: {}\n\nUsage: {}\n\n{}\n", command.info.name, command.info.summary,
                                usage_line(command, debugger), wrap(command.info.help, 0, width));
  out += "\nOptions:\n";
  for (const auto& option : command.info.options) {
    if (option.in_debuggers || !debugger) out += entry(option_title(option), option.help, kIndent, width);
  }
  out += "\nExamples:\n";
  for (const auto& example : command.info.examples) {
    // An example with a pid reads the same in a debugger without it.
    std::string line = example;
    if (auto at = line.find(" -p 1234"); debugger && at != std::string::npos) line.erase(at, 8);
    out += "  " + line + "\n";
  }
  return out;
}

Output unknown_command(std::string_view name) {
  std::string message = fmt::format("no command \"{}\"", name.substr(0, 64));
  auto near = nearest_command(name);
  message += near.empty() ? "; `hang help` lists them" : fmt::format("; did you mean \"{}\"?", near);
  return failure(Error{ErrorKind::usage, message});
}

std::string commands_markdown() {
  std::string out =
      "# Commands\n\n"
      "<!-- Generated by `hang help --markdown` from plugin/commands; do not edit. -->\n\n"
      "The same commands, with the same words and the same answers, in a shell (`hang classify -p PID`), and in LLDB\n"
      "and GDB (`hang classify`, for the process or core that is loaded there).\n\n"
      "| Command | What it prints |\n|---|---|\n";
  for (const auto& command : command_table()) {
    out += fmt::format("| [`hang {0}`](#hang-{0}) | {1} |\n", command.info.name, command.info.summary);
  }
  for (const auto& command : command_table()) {
    out += fmt::format("\n## hang {}\n\n{}.\n\n```\n{}\n```\n\n{}\n\n", command.info.name, command.info.summary,
                       usage_line(command, false), wrap(command.info.help, 0, 118));
    out += "| Option | Meaning |\n|---|---|\n";
    for (const auto& option : command.info.options) {
      std::string title = option_title(option);
      for (auto at = title.find('|'); at != std::string::npos; at = title.find('|', at + 2)) title.insert(at, "\\");
      out +=
          fmt::format("| `{}` | {}{} |\n", title, option.help, option.in_debuggers ? "" : " On the command line only.");
    }
    out += "\n```\n";
    for (const auto& example : command.info.examples) out += example + "\n";
    out += "```\n";
  }
  return out;
}

}  // namespace hang::commands
