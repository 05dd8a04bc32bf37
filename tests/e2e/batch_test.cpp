// hang batch as it is used: killed half-way, resumed, in shards that are merged, with garbage among the files.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <sys/stat.h>
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
    std::ofstream(folder_ / "in/more/empty") << "";
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

TEST_F(BatchRun, WhatWasReadInAnotherWayIsReadAgain) {
  const auto same_as_fresh = [&](const std::vector<std::string>& words) {
    for (const char* name : {"r.jsonl", "fresh.jsonl"}) {
      auto all = words;
      all.insert(all.end(), {in("in"), "-o", in(name)});
      batch(all);
    }
    auto fresh = text_of(in("fresh.jsonl"));
    EXPECT_EQ(text_of(in("r.jsonl")), fresh);
    fs::remove(in("fresh.jsonl"));
    return fresh;
  };
  const auto plain = same_as_fresh({});
  const auto rooted = same_as_fresh({"--sysroot", in("root")});
  EXPECT_NE(rooted, plain) << "the rows say that they are of another root";
  std::ofstream(in("in/facts-0.json.hang.json")) << "{}";
  EXPECT_NE(same_as_fresh({"--sysroot", in("root")}), rooted) << "and of another sidecar";
}

TEST_F(BatchRun, WhatIsLostIsSaid) {
  fs::create_directories(in("in/locked"));
  fs::create_directories(in("empty"));
  fs::copy(in("facts.json"), in("in/locked/facts.json"));
  fs::permissions(folder_, fs::perms::all);
  fs::permissions(in("in/locked"), fs::perms::none);
  // A copy that user 65534 can reach, wherever the build directory is.
  fs::copy_file(HANG_BINARY, in("hang"));
  std::vector<std::string> words{in("hang"), "batch", in("in/locked"), in("empty"), "--format", "json"};
  if (geteuid() == 0) {
    if (find_program("setpriv").empty()) GTEST_SKIP() << "no setpriv in PATH";
    words.insert(words.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"});
  }
  const auto result = run_command(words);
  fs::permissions(in("in/locked"), fs::perms::all);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.out, HasSubstr(R"("status":"unreadable","error":"cannot be searched: Permission denied")"));
  EXPECT_EQ(result.err, "hang: " + in("empty") + ": nothing to classify in it\n");
}

TEST_F(BatchRun, ATaskOfSlurmThatIsSubmittedAgainDoesItsPart) {
  fs::create_directories(in("parts"));
  const auto task = [&](const std::string& environment) {
    return run_command({"bash", "-c",
                        "cd " + folder_.string() + " && PATH=" + fs::path(HANG_BINARY).parent_path().string() +
                            ":$PATH " + environment + " bash " HANG_SBATCH " in"});
  };
  for (const char* id : {"1", "2", "3", "4"})
    EXPECT_EQ(task(std::string("SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_ID=") + id).exit_code, 0);
  const auto third = text_of(in("parts/3.jsonl"));
  EXPECT_NE(third, "");
  fs::remove(in("parts/3.jsonl"));
  EXPECT_EQ(task("SLURM_ARRAY_TASK_COUNT=1 SLURM_ARRAY_TASK_ID=3").exit_code, 0);
  EXPECT_EQ(text_of(in("parts/3.jsonl")), third);
}

TEST_F(BatchRun, WhatMakesNoSenseIsRefused) {
  ASSERT_EQ(mkfifo(in("fifo").c_str(), 0600), 0);
  for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                 {in("in"), "--shard", "5/4"},
                                                                 {in("in"), "--shard", "x"},
                                                                 {in("in"), "-o", "/nowhere/r.jsonl"},
                                                                 {in("in"), "-o", "/dev/full"},
                                                                 {in("in"), "-o", in("fifo")},
                                                                 {"--merge", in("fifo")},
                                                                 {"--merge", "/dev/zero"},
                                                                 {"--merge", in("nothing.jsonl")}}) {
    const auto result = batch(words);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("hang: "));
  }
}

}  // namespace
}  // namespace hang::test
