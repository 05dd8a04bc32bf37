// hang classify --tree on real processes, and processes of another pid namespace.
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <unistd.h>

#include "command.h"
#include "support/python_process.h"

namespace hang::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

std::string lab(const std::string& name) {
  return std::string(HANG_LABS) + "/" + name;
}

json classify(std::vector<std::string> words) {
  words.insert(words.begin(), {HANG_BINARY, "classify", "--format", "json"});
  const auto result = run_command(words);
  auto parsed = json::parse(result.out, nullptr, false);
  EXPECT_TRUE(parsed.is_object()) << result.out << result.err;
  return parsed;
}

// The first CPython of this machine's own root; its path is one that a shell can start.
std::optional<CPython> python_here() {
  for (const CPython& python : supported_pythons())
    if (python.root.empty()) return python;
  return std::nullopt;
}

class Tree : public testing::Test {
 protected:
  void SetUp() override {
    python_ = python_here();
    if (!python_) GTEST_SKIP() << "no supported CPython in this machine's own root";
  }
  void start(const std::vector<std::string>& leaf) {
    PythonOptions options;
    options.arguments = leaf;
    auto started = PythonProcess::run_script(*python_, lab("tree_root.py"), options);
    ASSERT_TRUE(started.ok()) << started.error().message;
    root_ = std::move(*started);
  }
  [[nodiscard]] std::string pid() const { return std::to_string(root_->pid()); }

  std::optional<CPython> python_;
  std::unique_ptr<PythonProcess> root_;
};

TEST_F(Tree, TheEndOfTheChainIsBlamed) {
  ASSERT_NO_FATAL_FAILURE(start({python_->executable, "-u", lab("tree_leaf.py")}));
  const auto report = classify({"-p", pid(), "--tree"});
  EXPECT_EQ(report.at("verdict").at("id"), "L3");
  const auto& tree = report.at("tree");
  ASSERT_EQ(tree.at("chain").size(), 3U);
  EXPECT_EQ(tree.at("chain")[0], root_->pid());
  EXPECT_EQ(tree.at("blamed"), tree.at("chain")[2]);
  EXPECT_EQ(report.at("target").at("pid"), tree.at("blamed"));
  EXPECT_EQ(tree.at("processes")[1].at("comm"), "sh");
  EXPECT_TRUE(tree.at("processes")[1].at("verdict").is_null()) << "no CPython";
  EXPECT_THAT(tree.at("processes")[0].at("waits_for")[0].at("what").get<std::string>(),
              HasSubstr("the end of process"));
  EXPECT_FALSE(tree.at("circle"));

  const auto text = run_command({HANG_BINARY, "classify", "-p", pid(), "--tree"});
  EXPECT_EQ(text.exit_code, 1);
  EXPECT_THAT(text.out, HasSubstr("tree_leaf.py:16"));
}

TEST_F(Tree, ASnapshotOfItSaysTheSame) {
  ASSERT_NO_FATAL_FAILURE(start({python_->executable, "-u", lab("tree_leaf.py")}));
  const auto live = classify({"-p", pid(), "--tree"});
  const fs::path folder = fs::temp_directory_path() / ("hang-tree-" + pid());
  const auto taken = run_command({HANG_BINARY, "snapshot", "-p", pid(), "--tree", "-o", folder.string()});
  EXPECT_EQ(taken.exit_code, 0) << taken.err;
  const auto saved = classify({folder.string(), "--tree"});
  EXPECT_EQ(saved.at("verdict").at("signature"), live.at("verdict").at("signature"));
  EXPECT_EQ(saved.at("tree").at("chain"), live.at("tree").at("chain"));
  fs::remove_all(folder);
}

TEST_F(Tree, AProgramThatSleepsAtTheEndIsNoHang) {
  ASSERT_NO_FATAL_FAILURE(start({python_->executable, "-u", lab("tree_sleep.py")}));
  const auto report = classify({"-p", pid(), "--tree"});
  EXPECT_EQ(report.at("verdict").at("id"), "N3");
  ASSERT_EQ(report.at("tree").at("chain").size(), 4U);
  EXPECT_EQ(report.at("tree").at("blamed"), report.at("tree").at("chain")[2]) << "the last one that is a CPython";
  EXPECT_EQ(report.at("tree").at("processes").back().at("comm"), "sleep");
}

// A container's program knows its threads and children by other numbers than /proc has for them here.
class Namespace : public testing::Test {
 protected:
  void start(const std::string& name) {
    const auto python = python_here();
    if (!python || getuid() != 0) GTEST_SKIP() << "needs root and a CPython in this machine's own root";
    auto started = PythonProcess::run_program({"/usr/bin/unshare", "--pid", "--net", "--fork", "--kill-child",
                                               "--mount", "--mount-proc", python->executable, "-u", lab(name)});
    ASSERT_TRUE(started.ok()) << started.error().message;
    outer_ = std::move(*started);
    std::ifstream children("/proc/" + outer_pid() + "/task/" + outer_pid() + "/children");
    ASSERT_TRUE(children >> inner_);
  }
  [[nodiscard]] std::string outer_pid() const { return std::to_string(outer_->pid()); }

  std::unique_ptr<PythonProcess> outer_;
  std::string inner_;
};

TEST_F(Namespace, ThreadsAndTheOwnersOfLocksAreFound) {
  ASSERT_NO_FATAL_FAILURE(start("g1_native_mutex.py"));
  if (IsSkipped()) return;
  const auto report = classify({"-p", inner_});
  EXPECT_EQ(report.at("verdict").at("id"), "G1") << report.at("verdict").at("summary");
  EXPECT_THAT(report.at("verdict").at("blame")[0].at("thread").get<std::string>(), HasSubstr(inner_));
}

TEST_F(Namespace, ChildrenAreFound) {
  ASSERT_NO_FATAL_FAILURE(start("p6_cat.py"));
  if (IsSkipped()) return;
  const auto report = classify({"-p", inner_});
  EXPECT_EQ(report.at("verdict").at("id"), "P6") << report.at("verdict").at("summary");
}

// Sockets are asked for in the network namespace of the process.
TEST_F(Namespace, OtherEndsOfSocketsAreFound) {
  ASSERT_NO_FATAL_FAILURE(start("l1_asyncio_forgotten_peer.py"));
  if (IsSkipped()) return;
  const auto report = classify({"-p", inner_});
  EXPECT_EQ(report.at("verdict").at("id"), "L1") << report.at("verdict").at("summary");
  EXPECT_THAT(report.at("verdict").at("summary").get<std::string>(), HasSubstr("of this same process"));
}

TEST_F(Namespace, ProcessesAtTheOtherEndsOfSocketsAreFound) {
  ASSERT_NO_FATAL_FAILURE(start("p6_both_read.py"));
  if (IsSkipped()) return;
  const auto report = classify({"-p", inner_});
  EXPECT_EQ(report.at("verdict").at("id"), "P6") << report.at("verdict").at("summary");
}

}  // namespace
}  // namespace hang::test
