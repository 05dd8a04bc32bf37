// The commands without any host: what they accept, what they answer, and in which words they refuse.
#include "commands/commands.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#include "facts/json.h"
#include "verdict/verdict.h"

namespace hang::commands {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// A command line without processes: every pid is refused with words that a test can recognise.
Host shell_host() {
  Host host;
  host.name = "cli";
  host.open_process = [](std::uint64_t pid) -> Result<std::unique_ptr<Target>> {
    return Error{ErrorKind::no_such_process, "no process " + std::to_string(pid)};
  };
  host.open_core = [](const CoreSource& source) -> Result<std::unique_ptr<Target>> {
    return Error{ErrorKind::io, "no core " + source.path + " in " + source.sysroot};
  };
  return host;
}

Host debugger_host() {
  Host host;
  host.name = "lldb";
  host.no_target = "no process: attach to one";
  return host;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

Output shell(const std::string& line) {
  return run(words_of(line), shell_host());
}

void expect_refusal(const Output& output, const std::string& words) {
  EXPECT_EQ(output.exit_code, 2);
  EXPECT_THAT(output.out, IsEmpty());
  EXPECT_THAT(output.err, StartsWith("hang: "));
  EXPECT_THAT(output.err, HasSubstr(words));
  EXPECT_EQ(output.err.find('\n'), output.err.size() - 1) << "not one line: " << output.err;
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A folder of its own for the files of one test.
class WithFacts : public ::testing::Test {
 protected:
  WithFacts() {
    char name[] = "/tmp/hang-commands-XXXXXX";
    folder_ = mkdtemp(name);
    snapshot_.target.pid = 4711;
    snapshot_.target.exe = "/usr/bin/python3";
    std::ofstream(facts()) << facts::to_json_text(snapshot_);
    snapshot_.target.kind = facts::TargetKind::facts;
  }
  ~WithFacts() override { std::filesystem::remove_all(folder_); }

  std::string facts() const { return folder_ / "facts.json"; }
  Output on_facts(const std::string& line) { return shell(line + " --facts " + facts()); }

  std::filesystem::path folder_;
  facts::Snapshot snapshot_;  // as `--facts` gives it to a command
};

TEST(CommandList, EveryCommandIsExplained) {
  for (const auto& info : command_list()) {
    SCOPED_TRACE(info.name);
    EXPECT_THAT(info.summary, Not(IsEmpty()));
    EXPECT_THAT(info.summary, Not(EndsWith(".")));
    EXPECT_THAT(info.help, EndsWith("."));
    EXPECT_THAT(info.options, Not(IsEmpty()));
    EXPECT_THAT(info.examples, Not(IsEmpty()));
    for (const auto& option : info.options) EXPECT_THAT(option.help, EndsWith("."));
  }
}

// An example that does not parse would be refused in other words than the process or the file that is not there.
TEST(CommandList, EveryExampleParses) {
  for (const auto& info : command_list()) {
    for (const auto& example : info.examples) {
      SCOPED_TRACE(example);
      ASSERT_THAT(example, StartsWith("hang " + info.name));
      if (info.name == "core-helper") continue;  // it would read our standard input
      auto output = shell(example.substr(5));
      if (info.name == "help" || example == "hang explain S1") {  // they need no process
        EXPECT_EQ(output.exit_code, 0);
      } else {
        EXPECT_THAT(output.err, ::testing::AnyOf(HasSubstr("no process 1234"), HasSubstr("cannot open hung.json"),
                                                 HasSubstr("no core core.1234 in /srv/roots/trixie"),
                                                 HasSubstr("hang batch is for the command line")));
      }
    }
  }
}

TEST(Help, ListsEveryCommand) {
  auto output = shell("help");
  EXPECT_EQ(output.exit_code, 0);
  for (const auto& info : command_list()) EXPECT_THAT(output.out, HasSubstr("\n  " + info.name + " "));
  EXPECT_EQ(shell("").out, output.out);
  EXPECT_EQ(shell("--help").out, output.out);
}

TEST(Help, FitsTheTerminal) {
  for (int width : {80, 100}) {
    auto host = shell_host();
    host.style.width = width;
    for (const auto& info : command_list()) {
      std::istringstream text(run({"help", info.name}, host).out + run({"help"}, host).out);
      for (std::string line; std::getline(text, line);) EXPECT_LE(line.size(), static_cast<std::size_t>(width)) << line;
    }
  }
}

TEST(Help, IsTheSameAfterTheCommand) {
  for (const auto& info : command_list()) {
    if (info.name == "help") continue;
    EXPECT_EQ(shell(info.name + " --help").out, shell("help " + info.name).out);
  }
}

TEST(Help, LeavesOutWhatADebuggerHas) {
  EXPECT_THAT(shell("help classify").out, HasSubstr("--pid"));
  auto output = run({"help", "classify"}, debugger_host());
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_THAT(output.out, Not(HasSubstr("--pid")));
  EXPECT_THAT(output.out, Not(HasSubstr("-p ")));
  EXPECT_THAT(output.out, HasSubstr("--interval"));
}

TEST(Help, PageIsCurrent) {
  EXPECT_EQ(read_all(HANG_COMMANDS_PAGE), commands_markdown())
      << "docs/commands.md is stale: build/bin/hang help --markdown > docs/commands.md";
}

TEST(Version, IsPrinted) {
  EXPECT_THAT(shell("--version").out, ::testing::MatchesRegex("hang [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Usage, IsRefusedInOneLine) {
  expect_refusal(shell("clasify"), "no command \"clasify\"; did you mean \"classify\"?");
  expect_refusal(shell("inter"), "did you mean \"interpreters\"?");
  expect_refusal(shell("frobnicate"), "`hang help` lists them");
  expect_refusal(shell("help frobnicate"), "no command \"frobnicate\"");
  expect_refusal(shell("classify"), "nothing named to look at: give -p PID, --core FILE or --facts FILE");
  expect_refusal(shell("classify -p"), "--pid");
  expect_refusal(shell("classify -p x"), "--pid");
  expect_refusal(shell("classify -p 0"), "--pid");
  expect_refusal(shell("classify -p -1"), "--pid");
  expect_refusal(shell("classify -p 4194305"), "--pid");
  expect_refusal(shell("classify 1 2"), "2");
  expect_refusal(shell("classify -p 1 -p 2"), "--pid");
  expect_refusal(shell("classify -p 1 --facts x"), "name one source");
  expect_refusal(shell("classify --interval -5 -p 1"), "--interval");
  expect_refusal(shell("classify --interval 1.5 -p 1"), "--interval");
  expect_refusal(shell("classify --interval 99999999999999999999 -p 1"), "--interval");
  expect_refusal(shell("classify --format yaml -p 1"), "--format");
  expect_refusal(shell("classify --color blue -p 1"), "--color");
  expect_refusal(shell("classify --bogus -p 1"), "--bogus");
  expect_refusal(shell("help classify gil"), "gil");
}

TEST(Usage, PidMayStandAlone) {
  expect_refusal(shell("classify 99"), "no process 99");
  expect_refusal(shell("gil 99 --interval 0"), "no process 99");
  expect_refusal(shell("gil --pid=99"), "no process 99");
}

TEST(Usage, DebuggerHasItsOwnTarget) {
  expect_refusal(run({"classify", "-p", "1"}, debugger_host()), "the target is the debugger's own");
  expect_refusal(run({"classify", "--pid=1"}, debugger_host()), "the target is the debugger's own");
  expect_refusal(run({"classify", "1"}, debugger_host()), "1");
  expect_refusal(run({"classify"}, debugger_host()), "no process: attach to one");
}

TEST(Usage, NothingThrownEscapes) {
  auto host = shell_host();
  host.open_process = [](std::uint64_t) -> Result<std::unique_ptr<Target>> { throw std::runtime_error("thrown"); };
  expect_refusal(run({"classify", "1"}, host), "internal error: thrown");
}

TEST_F(WithFacts, ClassifyIsTheVerdictOfTheFacts) {
  auto verdict = verdict::classify(snapshot_);
  auto text = on_facts("classify");
  EXPECT_EQ(text.exit_code, verdict.exit_code());
  EXPECT_THAT(text.out, StartsWith(report::classify_text(snapshot_, verdict, shell_host().style)));
  EXPECT_THAT(text.err, IsEmpty());
  auto json = on_facts("classify --format json");
  EXPECT_EQ(json.exit_code, verdict.exit_code());
  EXPECT_THAT(json.out, StartsWith(report::classify_json(snapshot_, verdict)));
  EXPECT_THAT(json.out, EndsWith("\n"));
}

TEST_F(WithFacts, ListingsEndWithZero) {
  const std::pair<const char*, report::Listing> listings[] = {{"interpreters", report::Listing::interpreters},
                                                              {"threads", report::Listing::threads},
                                                              {"gil", report::Listing::gil},
                                                              {"signals", report::Listing::signals},
                                                              {"channels", report::Listing::channels}};
  for (const auto& [name, listing] : listings) {
    SCOPED_TRACE(name);
    auto text = on_facts(name);
    EXPECT_EQ(text.exit_code, 0) << text.err;
    EXPECT_THAT(text.out, StartsWith(report::listing_text(listing, snapshot_, shell_host().style)));
    auto json = on_facts(std::string(name) + " --format json");
    EXPECT_THAT(json.out, StartsWith(report::listing_json(listing, snapshot_)));
  }
}

TEST_F(WithFacts, StyleComesFromHostAndOptions) {
  auto verdict = verdict::classify(snapshot_);
  auto expected = [&](bool color, bool verbose) {
    return report::classify_text(snapshot_, verdict, {.color = color, .width = 100, .verbose = verbose});
  };
  EXPECT_THAT(on_facts("classify --color always").out, StartsWith(expected(true, false)));
  EXPECT_THAT(on_facts("classify --color auto").out, StartsWith(expected(false, false)));
  EXPECT_THAT(on_facts("classify --verbose").out, StartsWith(expected(false, true)));
  auto host = shell_host();
  host.style.color = true;
  EXPECT_THAT(run({"classify", "--facts", facts()}, host).out, StartsWith(expected(true, false)));
  EXPECT_THAT(run({"classify", "--facts", facts(), "--color", "never"}, host).out, StartsWith(expected(false, false)));
}

TEST_F(WithFacts, DebuggerWithoutAProcessReadsThemToo) {
  auto output = run({"classify", "--facts", facts()}, debugger_host());
  EXPECT_EQ(output.exit_code, verdict::classify(snapshot_).exit_code()) << output.err;
}

TEST_F(WithFacts, SavedFactsReadBack) {
  std::string copy = folder_ / "copy.json";
  auto first = on_facts("classify --save-facts " + copy);
  auto saved = facts::from_json_text(read_all(copy));
  ASSERT_TRUE(saved.ok()) << saved.error().message;
  EXPECT_EQ(saved->target.pid, 4711u);
  EXPECT_EQ(shell("classify --facts " + copy).out, first.out);
}

TEST_F(WithFacts, FilesThatCannotBeUsedAreNamed) {
  expect_refusal(on_facts("classify --save-facts /nowhere/at/all.json"), "/nowhere/at/all.json: No such file");
  expect_refusal(on_facts("classify --save-facts /dev/full"), "/dev/full: No space left");
  expect_refusal(shell("classify --facts /nowhere.json"), "/nowhere.json: No such file");
  expect_refusal(shell("classify --facts /tmp"), "/tmp: Is a directory");
  std::ofstream(folder_ / "broken.json") << "{\"schema_version\": ";
  expect_refusal(shell("classify --facts " + std::string(folder_ / "broken.json")), "broken.json");
}

}  // namespace
}  // namespace hang::commands
