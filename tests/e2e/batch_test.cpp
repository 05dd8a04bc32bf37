// hang batch as it is used: killed half-way, resumed, in shards that are merged, with garbage among the files.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "support/python_process.h"

namespace hang::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int kCopies = 60;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class BatchRun : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "hang-batch-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directories(folder_ / "in/more");
    const auto pythons = supported_pythons();
    if (pythons.empty()) GTEST_SKIP() << "no supported CPython on this machine";
    auto python = PythonProcess::run_code(
        pythons.front(), "import sys, time; sys.stdout.write('READY\\n'); sys.stdout.flush(); time.sleep(1000)");
    ASSERT_TRUE(python.ok()) << python.error().message;
    const auto facts = (folder_ / "facts.json").string();
    const auto saved =
        run_command({HANG_BINARY, "classify", "-p", std::to_string((*python)->pid()), "--save-facts", facts});
    ASSERT_EQ(saved.exit_code, 0) << saved.err;
    for (int i = 0; i < kCopies; ++i) fs::copy(facts, folder_ / "in" / ("facts-" + std::to_string(i) + ".json"));
    std::ofstream(folder_ / "in/more/garbage") << "garbage";
    std::ofstream(folder_ / "in/more/empty");
    std::ofstream(folder_ / "in/more/cut.json") << text_of(facts).substr(0, 500);
  }
  void TearDown() override { fs::remove_all(folder_); }

  CommandResult batch(std::vector<std::string> words) {
    words.insert(words.begin(), {HANG_BINARY, "batch"});
    return run_command(words);
  }
  [[nodiscard]] std::string in(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

TEST_F(BatchRun, ATableWithAReasonForWhatCannotBeRead) {
  const auto result = batch({in("in"), "-o", in("r.jsonl"), "--db", in("r.db"), "--html", in("r.html")});
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.out, HasSubstr("60  N3 idle-by-design"));
  EXPECT_THAT(result.out, HasSubstr("unreadable"));
  EXPECT_EQ(result.err, "") << "no progress bar where there is no terminal";
  EXPECT_THAT(text_of(in("r.db")), HasSubstr("SQLite format 3"));
  EXPECT_THAT(text_of(in("r.html")), HasSubstr("idle-by-design"));
}

TEST_F(BatchRun, KilledHalfWayItGoesOnAndSaysTheSame) {
  const auto whole = batch({in("in"), "-o", in("whole.jsonl")});
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    execl(HANG_BINARY, HANG_BINARY, "batch", in("in").c_str(), "-j", "1", "-o", in("killed.jsonl").c_str(), nullptr);
    _exit(127);
  }
  const auto lines = [&] {
    const auto text = text_of(in("killed.jsonl"));
    return std::count(text.begin(), text.end(), '\n');
  };
  bool ended = false;
  while (lines() < 5 && !ended) {
    ended = waitpid(pid, nullptr, WNOHANG) != 0;
    usleep(200);
  }
  if (!ended) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  EXPECT_GE(lines(), 5);
  const auto resumed = batch({in("in"), "-o", in("killed.jsonl")});
  EXPECT_EQ(resumed.out, whole.out);
  EXPECT_EQ(text_of(in("killed.jsonl")), text_of(in("whole.jsonl")));
}

TEST_F(BatchRun, FourShardsMergedAreTheWhole) {
  const auto whole = batch({in("in"), "-o", in("whole.jsonl"), "--html", in("whole.html")});
  std::vector<std::string> merge{"--merge", "-o", in("merged.jsonl"), "--html", in("merged.html")};
  for (const char* shard : {"1/4", "2/4", "3/4", "4/4"}) {
    merge.push_back(in(std::string("part") + shard[0] + ".jsonl"));
    batch({in("in"), "--shard", shard, "-o", merge.back()});
  }
  const auto merged = batch(merge);
  EXPECT_EQ(merged.out, whole.out);
  EXPECT_EQ(merged.exit_code, whole.exit_code);
  EXPECT_EQ(text_of(in("merged.jsonl")), text_of(in("whole.jsonl")));
  EXPECT_EQ(text_of(in("merged.html")), text_of(in("whole.html")));
}

TEST_F(BatchRun, WhatMakesNoSenseIsRefused) {
  for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                 {in("in"), "--shard", "5/4"},
                                                                 {in("in"), "--shard", "x"},
                                                                 {in("in"), "-o", "/nowhere/r.jsonl"},
                                                                 {"--merge", in("nothing.jsonl")}}) {
    const auto result = batch(words);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("hang: "));
  }
}

}  // namespace
}  // namespace hang::test
