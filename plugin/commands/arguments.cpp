#include "commands/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <exception>
#include <string_view>
#include <utility>

namespace hang::commands {
namespace {

// An hour: longer is a mistake in the unit.
constexpr std::int64_t kMaxIntervalMs = 3'600'000;

struct Option {
  OptionInfo info;
  std::vector<OptionSet> sets;
  bool hidden;
  CLI::Option* (*bind)(CLI::App& app, const std::string& flags, Arguments& arguments);
};

CLI::Option* bind_pid(CLI::App& app, const std::string& flags, Arguments& arguments) {
  return app.add_option(flags, arguments.pid)->check(CLI::Range(std::uint64_t{1}, kMaxPid).description(""));
}

CLI::Option* bind_text(CLI::App& app, const std::string& flags, std::string& out) {
  return app.add_option(flags, out);
}

CLI::Option* bind_interval(CLI::App& app, const std::string& flags, Arguments& arguments) {
  return app
      .add_option_function<std::int64_t>(
          flags, [&arguments](const std::int64_t& ms) { arguments.interval = std::chrono::milliseconds(ms); })
      ->check(CLI::Range(std::int64_t{0}, kMaxIntervalMs).description(""));
}

// Whether that CPython has a layout is for the reader of the target to say.
CLI::Option* bind_assumed(CLI::App& app, const std::string& flags, Arguments& arguments) {
  const auto is_version = [](const std::string& word) {
    const bool digits = word.size() <= 4 && word.find_first_not_of("0123456789", 2) == std::string::npos;
    return word.starts_with("3.") && word.size() > 2 && digits ? "" : "a version like 3.13 is wanted, not " + word;
  };
  return app
      .add_option_function<std::string>(
          flags, [&arguments](const std::string& word) { arguments.assumed_minor = std::stoi(word.substr(2)); })
      ->check(CLI::Validator(is_version, ""));
}

// An option whose value is one of a few words.
template <typename Enum>
CLI::Option* bind_choice(CLI::App& app, const std::string& flags, Enum& out,
                         std::vector<std::pair<std::string, Enum>> words) {
  std::vector<std::string> names;
  for (const auto& [name, value] : words) names.push_back(name);
  return app
      .add_option_function<std::string>(flags,
                                        [&out, words = std::move(words)](const std::string& word) {
                                          for (const auto& [name, value] : words)
                                            if (name == word) out = value;
                                        })
      ->check(CLI::IsMember(names).description(""));
}

// A function, not a static: nothing is built in a process that never asks.
std::vector<Option> options() {
  // What every command takes that looks at a process.
  const std::vector<OptionSet> report{OptionSet::report, OptionSet::graph, OptionSet::explain};
  return {
      {{"SHAPE", "", "A shape, by id or name: S1, gil-hostage-signal-drop. Without one, that of the process."},
       {OptionSet::explain},
       false,
       [](CLI::App& app, const std::string&, Arguments& a) { return app.add_option("shape", a.topic); }},
      {{"SOURCE", "", "A pid, a core, a snapshot or a file of saved facts: its content tells which.", false},
       {OptionSet::report, OptionSet::graph},
       false,
       [](CLI::App& app, const std::string&, Arguments& a) { return bind_text(app, "source", a.source); }},
      {{"PID", "", "The process."},
       {OptionSet::snapshot, OptionSet::core_helper},
       false,
       [](CLI::App& app, const std::string&, Arguments& a) { return bind_text(app, "pid", a.source); }},
      {{"PATH...", "", "Cores, snapshots, files of facts, and folders of them; with --merge, results of other runs."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string&, Arguments& a) { return app.add_option("paths", a.batch.paths); }},
      {{"-j,--jobs", "N", "Workers; as many as there are processors if not given."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) {
         return app.add_option(flags, a.batch.jobs)->check(CLI::Range(1U, 1024U).description(""));
       }},
      {{"--timeout", "SECONDS", "For one item, default 60; then it gets a row that says so."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) {
         return app.add_option(flags, a.batch.timeout_s)->check(CLI::Range(0.01, 86'400.0).description(""));
       }},
      {{"--memory", "MIB", "Most address space of one worker, default 4096; 0 for no limit."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) {
         return app.add_option(flags, a.batch.memory_mib)->check(CLI::Range(0, 1'048'576).description(""));
       }},
      {{"-o,--output", "FILE", "Keep the results as JSON Lines; a run that was ended goes on from there."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.output); }},
      {{"--db", "FILE", "Also write them as an SQLite file."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.batch.database); }},
      {{"--html", "FILE", "Also write the table as one HTML page."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.batch.page); }},
      {{"--shard", "I/N", "Do only part I of N, from 1; --merge puts the parts together."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.batch.shard); }},
      {{"--merge", "", "Classify nothing; put results of other runs together."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_flag(flags, a.batch.merge); }},
      {{"--coredumpctl", "", "Also the cores in systemd-coredump's journal, with what it stored of each."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_flag(flags, a.batch.coredumpctl); }},
      {{"--journal", "DIR", "With --coredumpctl: the folder of the journal, if not the system's."},
       {OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.batch.journal); }},
      {{"-p,--pid", "PID", "The process to look at; it is not stopped.", false},
       {OptionSet::report, OptionSet::graph, OptionSet::explain, OptionSet::snapshot},
       false,
       bind_pid},
      {{"-o,--output", "PATH", "The folder to make, hang-PID if not given; a name that ends in .json is one file."},
       {OptionSet::snapshot},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.output); }},
      {{"-o,--output", "FILE", "Where the core goes; what the kernel knows goes to FILE.hang.json."},
       {OptionSet::core_helper},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.output); }},
      {{"--core", "", "Also write a core, of memory as it is while the process runs on."},
       {OptionSet::snapshot},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_flag(flags, a.with_core); }},
      {{"--tree", "",
        "Also the processes that descend from it and those that its waits lead to, each in a folder of its own "
        "within."},
       {OptionSet::snapshot},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_flag(flags, a.tree); }},
      {{"--tree", "",
        "Also the other processes that its waits lead to: each is classified, and the one at the end of the chain is "
        "blamed. Of a snapshot, those that were taken with it.",
        false},
       {OptionSet::classify},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_flag(flags, a.tree); }},
      {{"--core", "FILE", "A core to look at, instead of a process.", false},
       report,
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.core.path); }},
      {{"--exe", "PATH", "The executable of the core's process, where it is not under its own name here.", false},
       report,
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.core.executable); }},
      {{"--sysroot", "DIR",
        "The root of the file system that the core's process ran in (a chroot, a container, another release).", false},
       {OptionSet::report, OptionSet::graph, OptionSet::explain, OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return bind_text(app, flags, a.core.sysroot); }},
      {{"--facts", "FILE", "Facts saved with --save-facts, or a snapshot, instead of a process."},
       report,
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_option(flags, a.facts_file); }},
      {{"--save-facts", "FILE", "Also write everything that was read to FILE, as JSON."},
       report,
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_option(flags, a.save_file); }},
      {{"--interval", "MS",
        "Time between the first and the last sample in milliseconds, default 50; 0 takes one sample. A stopped process "
        "and a core get one sample."},
       {OptionSet::report, OptionSet::graph, OptionSet::explain, OptionSet::snapshot},
       false,
       bind_interval},
      {{"--assume-python", "3.N",
        "Read the process as CPython 3.N, whatever it says it is; the report says so. For builds that are not known "
        "here, at your own risk."},
       {OptionSet::report, OptionSet::graph, OptionSet::explain, OptionSet::snapshot},
       false,
       bind_assumed},
      {{"--format", "text|json|dot|mermaid",
        "Text for people (default), JSON for programs, or a drawing for Graphviz (dot) or Mermaid."},
       {OptionSet::graph},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) {
         return bind_choice<Format>(
             app, flags, a.format,
             {{"text", Format::text}, {"json", Format::json}, {"dot", Format::dot}, {"mermaid", Format::mermaid}});
       }},
      {{"--format", "text|json", "Text for people (default) or JSON for programs."},
       {OptionSet::report, OptionSet::explain, OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) {
         return bind_choice<Format>(app, flags, a.format, {{"text", Format::text}, {"json", Format::json}});
       }},
      {{"-v,--verbose", "", "All evidence, all steps, all findings."},
       report,
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_flag(flags, a.verbose); }},
      {{"--color", "auto|always|never", "Colour: on a terminal (default), always or never."},
       report,
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) {
         return bind_choice<Color>(app, flags, a.color,
                                   {{"auto", Color::automatic}, {"always", Color::always}, {"never", Color::never}});
       }},
      {{"-h,--help", "", "This help."},
       {OptionSet::report, OptionSet::graph, OptionSet::explain, OptionSet::snapshot, OptionSet::core_helper,
        OptionSet::batch},
       false,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_flag(flags, a.help); }},
      {{"COMMAND", "", "The command to explain; without one, the list of commands."},
       {OptionSet::help},
       false,
       [](CLI::App& app, const std::string&, Arguments& a) { return app.add_option("command", a.topic); }},
      {{"--markdown", "", ""},
       {OptionSet::help},
       true,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_flag(flags, a.markdown); }},
      {{"-h,--help", "", ""},
       {OptionSet::help},
       true,
       [](CLI::App& app, const std::string& flags, Arguments& a) { return app.add_flag(flags, a.help); }},
  };
}

bool takes(const Option& option, OptionSet set) {
  if (set == OptionSet::classify && takes(option, OptionSet::report)) return true;  // and what only it takes
  return std::find(option.sets.begin(), option.sets.end(), set) != option.sets.end();
}

// True if `word` is one of the flags "-p,--pid", also as "--pid=1".
bool is_flag(std::string_view word, std::string_view flags) {
  word = word.substr(0, word.find('='));
  while (!flags.empty()) {
    auto comma = std::min(flags.find(','), flags.size());
    if (word == flags.substr(0, comma)) return true;
    flags.remove_prefix(std::min(comma + 1, flags.size()));
  }
  return false;
}

Error usage(std::string message) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  while (message.ends_with(' ') || message.ends_with('.')) message.pop_back();
  return Error{ErrorKind::usage, std::move(message)};
}

std::optional<Error> refuse_in_debugger(const std::vector<Option>& all, std::span<const std::string> words) {
  for (const auto& word : words) {
    for (const auto& option : all) {
      if (!option.info.in_debuggers && is_flag(word, option.info.flags)) {
        return usage(word + " is for the command line: here the target is the debugger's own");
      }
    }
  }
  return std::nullopt;
}

Result<Arguments> parse_with_cli11(OptionSet set, std::span<const std::string> words, bool debugger) {
  const auto all = options();
  if (debugger) {
    if (auto error = refuse_in_debugger(all, words)) return *error;
  }
  Arguments arguments;
  CLI::App app;
  app.set_help_flag();  // help is ours: the same text in every host
  for (const auto& option : all) {
    if (!takes(option, set) || (debugger && !option.info.in_debuggers)) continue;
    auto* bound = option.bind(app, option.info.flags, arguments);
    if (!option.info.value.empty()) bound->type_name(option.info.value);  // CLI11's word for it in its errors
  }
  app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them last first
  return arguments;
}

}  // namespace

std::vector<OptionInfo> option_list(OptionSet set) {
  std::vector<OptionInfo> list;
  for (const auto& option : options()) {
    if (takes(option, set) && !option.hidden) list.push_back(option.info);
  }
  return list;
}

Result<Arguments> parse(OptionSet set, std::span<const std::string> words, bool debugger) {
  try {
    return parse_with_cli11(set, words, debugger);
  } catch (const std::exception& error) {  // CLI11 reports by throwing
    return usage(error.what());
  }
}

}  // namespace hang::commands
