#include "commands/table.h"

#include <utility>

#include "commands/help.h"
#include "commands/inspect.h"
#include "commands/snapshot.h"
#include "commands/tree.h"
#include "report/pages.h"

namespace hang::commands {
namespace {

using report::Listing;

// A listing is a command whose run function differs in one word.
template <Listing listing>
Output run_listing(const Command&, const Arguments& given, const Host& host) {
  Arguments arguments = given;
  arguments.channels = listing == Listing::channels;
  return inspect(arguments, host, [&](const facts::Snapshot& snapshot, const report::Style& style) {
    bool json = arguments.format == Format::json;
    return Output{
        json ? report::listing_json(listing, snapshot) : report::listing_text(listing, snapshot, style), {}, 0};
  });
}

Output run_classify(const Command&, const Arguments& arguments, const Host& host) {
  if (arguments.tree) return run_classify_tree(arguments, host);
  return inspect(arguments, host, [&](const facts::Snapshot& snapshot, const report::Style& style) {
    auto verdict = verdict::classify(snapshot);
    bool json = arguments.format == Format::json;
    return Output{json ? report::classify_json(snapshot, verdict) : report::classify_text(snapshot, verdict, style),
                  {},
                  verdict.exit_code()};
  });
}

Output run_graph(const Command&, const Arguments& arguments, const Host& host) {
  return inspect(arguments, host, [&](const facts::Snapshot& snapshot, const report::Style& style) {
    const auto format = arguments.format == Format::json      ? report::GraphFormat::json
                        : arguments.format == Format::dot     ? report::GraphFormat::dot
                        : arguments.format == Format::mermaid ? report::GraphFormat::mermaid
                                                              : report::GraphFormat::text;
    return Output{report::graph_text(format, snapshot, style), {}, 0};
  });
}

// A page needs no process; without a shape it is that of the process, and without a process the list of shapes.
Output run_explain(const Command&, const Arguments& arguments, const Host& host) {
  const bool json = arguments.format == Format::json;
  if (!arguments.topic.empty()) {
    const auto* page = report::find_page(arguments.topic);
    if (page == nullptr)
      return failure(Error{ErrorKind::usage, "no shape \"" + arguments.topic.substr(0, 64) +
                                                 "\"; `hang explain` without a process lists them"});
    return {json ? report::page_json_text(*page) : report::page_text(*page, style_of(arguments, host)), {}, 0};
  }
  if (!arguments.pid && arguments.facts_file.empty() && arguments.core.path.empty() && host.target == nullptr)
    return {report::page_list_text(style_of(arguments, host)), {}, 0};
  return inspect(arguments, host, [&](const facts::Snapshot& snapshot, const report::Style& style) {
    const auto verdict = verdict::classify(snapshot);
    return Output{json ? report::explain_json(snapshot, verdict) : report::explain_text(snapshot, verdict, style),
                  {},
                  verdict.exit_code()};
  });
}

Output run_help(const Command&, const Arguments& arguments, const Host& host) {
  if (arguments.markdown) return {commands_markdown(), {}, 0};
  if (arguments.topic.empty() || arguments.help) return {overview_text(host), {}, 0};
  if (const auto* command = find_command(arguments.topic)) return {command_text(*command, host), {}, 0};
  return unknown_command(arguments.topic);
}

Output run_batch(const Command&, const Arguments& arguments, const Host& host) {
  if (!host.batch) return failure(Error{ErrorKind::usage, "hang batch is for the command line"});
  return host.batch(arguments);
}

Command declare(CommandInfo info, OptionSet options, decltype(Command::run) run) {
  info.options = option_list(options);
  return {std::move(info), options, run};
}

std::vector<Command> make_table() {
  std::vector<Command> table;
  table.push_back(declare(
      {"classify",
       "name why the process hangs, with the evidence",
       "Reads the process from outside (nothing runs in it), walks the path that a Ctrl-C would take and who waits for "
       "whom, and names the shape of the hang, the threads to blame and what to do. A process that only waits for work "
       "or is slow is said to be that. Where a fact that would decide could not be read, the answer is "
       "\"undetermined\" "
       "and names the fact.\n"
       "The exit status is 0 for no hang, 1 when a hang was named, 2 when the arguments or the target cannot be used "
       "and 3 for undetermined.",
       {"hang classify -p 1234", "hang classify -p 1234 --interval 0 --format json",
        "hang classify -p 1234 --save-facts hung.json", "hang classify --facts hung.json",
        "hang classify --core core.1234 --sysroot /srv/roots/trixie", "hang classify -p 1234 --tree"},
       {}},
      OptionSet::classify, run_classify));
  table.push_back(
      declare({"interpreters",
               "the interpreters, and which GIL each one uses",
               "Lists every interpreter of the process: its id, whether it is the main one, the GIL that it "
               "uses and with whom it shares it, how it was configured, and its threads.",
               {"hang interpreters -p 1234"},
               {}},
              OptionSet::report, run_listing<Listing::interpreters>));
  table.push_back(declare({"threads",
                           "the threads: what each runs and what it waits for",
                           "Lists every kernel thread with its thread states (one thread can have several, in several "
                           "interpreters), the system call that it is in, the object that it waits for, and its Python "
                           "frames.",
                           {"hang threads -p 1234", "hang threads -p 1234 --verbose"},
                           {}},
                          OptionSet::report, run_listing<Listing::threads>));
  table.push_back(
      declare({"gil",
               "who holds each GIL and who waits for it",
               "Lists every GIL of the process: whether it is locked, the thread state that has or last had "
               "it, the threads that wait for it, the interpreters that share it, and whether it changed "
               "hands while it was watched.",
               {"hang gil -p 1234", "hang gil -p 1234 --interval 500"},
               {}},
              OptionSet::report, run_listing<Listing::gil>));
  table.push_back(declare({"signals",
                           "what a Ctrl-C would meet: masks, handlers, the wakeup fd",
                           "Lists what is known about signals: dispositions and masks in the kernel, CPython's tripped "
                           "flags, the Python handler of SIGINT, and the wakeup fd with the bytes that nobody has read "
                           "from it yet.",
                           {"hang signals -p 1234"},
                           {}},
                          OptionSet::report, run_listing<Listing::signals>));
  table.push_back(declare({"loops",
                           "the event loops, and their tasks as a tree",
                           "Lists the event loops that threads run: asleep or in a step, callbacks that are ready, "
                           "timers, the wakeup pair, and the tasks, each under the one that waits for it, with its "
                           "line, what it waits for, and which other tasks could end that wait. With --verbose, all "
                           "frames of each task.",
                           {"hang loops -p 1234", "hang loops -p 1234 --verbose"},
                           {}},
                          OptionSet::report, run_listing<Listing::loops>));
  table.push_back(
      declare({"channels",
               "queues, pipes and sockets, the orphaned ones first",
               "Lists the channels that are objects of Python and that the frames of threads and tasks lead "
               "to (trio's and anyio's memory channels, asyncio.Queue, queue.Queue, multiprocessing's queues "
               "and connections, those between interpreters), with who waits for them, who has the other end "
               "and could act, and which are orphaned; then pipes and sockets with what is queued in them, "
               "who has the other end open, which object of Python has them and who leads to that, which event "
               "loops watch them, and unread bytes that nobody waits for. A mark in the first column says that "
               "something is wrong with it.",
               {"hang channels -p 1234"},
               {}},
              OptionSet::report, run_listing<Listing::channels>));
  table.push_back(declare(
      {"graph",
       "who waits for whom, as a graph",
       "Draws every thread that Python knows, what it waits for, who holds that, and so on: GILs, native locks, "
       "locks of threading, joins, descriptors and who has their other end, timers, loops and their tasks. Each "
       "edge says what was read, and whether it was seen or inferred; a cycle that nothing can open is marked.",
       {"hang graph -p 1234", "hang graph -p 1234 --format dot"},
       {}},
      OptionSet::graph, run_graph));
  table.push_back(
      declare({"explain",
               "a shape explained; alone, the one just found",
               "With a shape, explains it: what happens, what proves it, what it is not, what to do, links. "
               "With a process, classifies it and explains its shape in its own names, with the reason why it "
               "is none of the look-alikes. With neither, lists the shapes.",
               {"hang explain S1", "hang explain -p 1234"},
               {}},
              OptionSet::explain, run_explain));
  table.push_back(
      declare({"snapshot",
               "keep everything that is known of a process, for later",
               "Reads the process as hang classify does, without stopping it, and writes what it read into a folder: "
               "facts.json, which every command takes instead of the process, and snapshot.json, which says what the "
               "folder is. With --core also a core. `hang classify FOLDER` gives the verdict that the live process "
               "would have got. With -o CORE.hang.json it is the sidecar of a core that a debugger writes: commands on "
               "that core find the descriptors, queues and peers there.",
               {"hang snapshot -p 1234", "hang snapshot -p 1234 --tree -o /tmp/hung",
                "hang snapshot -p 1234 -o core.1234.hang.json"},
               {}},
              OptionSet::snapshot, run_snapshot));
  table.push_back(declare(
      {"core-helper",
       "take a core from the kernel, with what the kernel knows",
       "For /proc/sys/kernel/core_pattern: reads the core of the process PID from standard input into FILE, and "
       "before that, while the process is still there, its descriptors, queues and peers into FILE.hang.json, "
       "where commands on that core find them.",
       {"hang core-helper 1234 -o /var/crash/core.1234"},
       {}},
      OptionSet::core_helper, run_core_helper));
  table.push_back(declare(
      {"batch",
       "a folder of cores and snapshots as a table of causes",
       "Classifies every core, snapshot and file of facts below the paths, in parallel, and prints one line for each "
       "cause: how often, the shape, whether Ctrl-C gets through, the line to blame, first and last time, an example. "
       "An item that crashes or holds up its reader, or cannot be read, costs one row with the reason. With -o a run "
       "that was ended goes on where it was. The same input gives the same output.\n"
       "The exit status is 0 if nothing hung, 1 if hangs were named and all was decided, 2 when the arguments or the "
       "output files cannot be used, and 3 if anything is undetermined or has no verdict.",
       {"hang batch /var/crash", "hang batch /var/crash -o results.jsonl --db results.db --html results.html",
        "hang batch --coredumpctl", "hang batch /var/crash --shard 1/4 -o part1.jsonl",
        "hang batch --merge part*.jsonl -o results.jsonl"},
       {}},
      OptionSet::batch, run_batch));
  table.push_back(declare({"help",
                           "the list of commands, or the help of one",
                           "Without an argument, lists the commands; with the name of one, explains it.",
                           {"hang help", "hang help classify"},
                           {}},
                          OptionSet::help, run_help));
  return table;
}

}  // namespace

const std::vector<Command>& command_table() {
  static const std::vector<Command> table = make_table();  // constant: declarations only, no debugger state
  return table;
}

const Command* find_command(std::string_view name) {
  for (const auto& command : command_table()) {
    if (command.info.name == name) return &command;
  }
  return nullptr;
}

}  // namespace hang::commands
