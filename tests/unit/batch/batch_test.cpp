// The parts of hang batch: what is on the list, what survives a kill, what a worker's death costs, and the table.
#include "batch/batch.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <set>
#include <unistd.h>

#include "batch/page.h"
#include "batch/progress.h"

namespace hang::batch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Batch : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "hang-batch-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& text = "x") {
    const auto path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  static std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<Item> list(const Shard& shard = {}) {
    return work_list({folder_.string()}, shard,
                     [](const std::string& path) { return fs::exists(path + "/snapshot.json"); });
  }
  Options options() {
    Options options;
    options.paths = {folder_.string() + "/in"};
    options.results = folder_.string() + "/results.jsonl";
    options.limits.jobs = 2;
    return options;
  }

  fs::path folder_;
};

bool no_snapshots(const std::string&) {
  return false;
}

Row verdict_of(const Item& item) {
  Row row;
  row.item = item;
  row.status = Status::classified;
  row.id = item.size > 1 ? "S1" : "N3";
  row.shape = item.size > 1 ? "gil-hostage-signal-drop" : "idle-by-design";
  row.blame = "match, scan.py:88";
  row.signature = row.id;
  row.ctrl_c = "no";
  return row;
}

TEST_F(Batch, TheListIsSortedAndLeavesOutSidecarsAndResults) {
  for (const char* name : {"b/core.2", "a/core.1", "a/core.1.hang.json", "results.jsonl", "results.db", "page.html"})
    file(name);
  file("snap/snapshot.json");
  file("snap/facts.json");
  std::vector<std::string> names;
  for (const auto& item : list()) names.push_back(fs::relative(item.path, folder_).string());
  EXPECT_THAT(names, testing::ElementsAre("a/core.1", "b/core.2", "snap"));
}

TEST_F(Batch, WhatIsNotThereGetsARowAllTheSame) {
  const auto items = work_list({"/nowhere/core"}, {}, no_snapshots);
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].size, 0U);
}

TEST_F(Batch, ShardsAreDisjointAndComplete) {
  for (int i = 0; i < 40; ++i) file("core." + std::to_string(i));
  std::multiset<std::string> all;
  for (unsigned index = 1; index <= 4; ++index)
    for (const auto& item : list({index, 4})) all.insert(item.path);
  EXPECT_EQ(all.size(), 40U);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 40U);
}

TEST_F(Batch, ALineReadsBackAsItWasWritten) {
  Row row = verdict_of({"a \"b\"\n\xff", 7, -3});
  row.id.clear();
  const auto back = from_line(to_line(row));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(to_line(*back), to_line(row));
  EXPECT_EQ(back->id, "");
  EXPECT_FALSE(from_line("{\"path\":").ok());
  EXPECT_FALSE(from_line("[1]").ok());
}

TEST_F(Batch, ALineThatWasCutOffIsDroppedAndWrittenOver) {
  const auto path = file("r.jsonl", to_line(verdict_of({"a", 2, 0})) + "\n{\"path\":\"b\",\"sta");
  Rows rows;
  ASSERT_TRUE(read_rows(path, rows).ok());
  EXPECT_EQ(rows.size(), 1U);
  Journal journal;
  ASSERT_TRUE(journal.open(path).ok());
  ASSERT_TRUE(journal.append(verdict_of({"c", 2, 0})).ok());
  Rows again;
  ASSERT_TRUE(read_rows(path, again).ok());
  EXPECT_EQ(again.size(), 2U);
}

TEST_F(Batch, ALineInTheMiddleThatIsNoRowIsAnErrorWithItsNumber) {
  Rows rows;
  const auto read = read_rows(file("r.jsonl", "{}\n" + to_line(verdict_of({"a", 2, 0})) + "\n"), rows);
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().message, HasSubstr("line 1"));
}

TEST_F(Batch, ACrashAndATimeoutCostARowEach) {
  const auto fine = file("in/fine", "xx"), crash = file("in/crash"), endless = file("in/endless");
  auto some = options();
  some.limits.timeout = std::chrono::milliseconds(300);
  const auto rows = run(some, no_snapshots, [&](const Item& item) {
    if (item.path == crash) std::raise(SIGKILL);
    while (item.path == endless) pause();
    return verdict_of(item);
  });
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->at(fine).id, "S1");
  EXPECT_EQ(rows->at(crash).status, Status::crashed);
  EXPECT_THAT(rows->at(crash).error, HasSubstr("signal 9"));
  EXPECT_EQ(rows->at(endless).status, Status::timeout);
  EXPECT_EQ(exit_code_of(*rows), 3);
}

TEST_F(Batch, MemoryOfAWorkerIsBounded) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the address sanitizer needs more address space than any limit";
#endif
  file("in/large");
  auto some = options();
  some.limits.memory = std::uint64_t{1} << 30U;
  const auto rows = run(some, no_snapshots, [](const Item& item) {
    std::string much(std::size_t{2} << 30U, 'x');
    return verdict_of({item.path + much.substr(0, 1), 2, 0});
  });
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->begin()->second.status, Status::unreadable);
}

TEST_F(Batch, WhatWasDoneIsNotDoneAgainUnlessTheFileChanged) {
  const auto one = file("in/one", "xx"), two = file("in/two", "xx");
  const auto note = folder_.string() + "/calls";
  const auto classify = [&](const Item& item) {
    std::ofstream(note, std::ios::app) << fs::path(item.path).filename().string() << ' ';
    return verdict_of(item);
  };
  auto some = options();
  some.limits.jobs = 1;
  ASSERT_TRUE(run(some, no_snapshots, classify).ok());
  const auto first = text_of(some.results);
  ASSERT_TRUE(run(some, no_snapshots, classify).ok());
  EXPECT_EQ(text_of(note), "one two ");
  EXPECT_EQ(text_of(some.results), first);
  file("in/two", "xxx");
  ASSERT_TRUE(run(some, no_snapshots, classify).ok());
  EXPECT_EQ(text_of(note), "one two two ");
}

TEST_F(Batch, MergedShardsAreTheWhole) {
  for (int i = 0; i < 20; ++i)
    file("in/core." + std::to_string(i), std::string(static_cast<std::size_t>(i % 3) + 1, 'x'));
  auto whole = options();
  ASSERT_TRUE(run(whole, no_snapshots, verdict_of).ok());
  Options merge;
  merge.merge = true;
  merge.results = folder_.string() + "/merged.jsonl";
  for (unsigned index = 1; index <= 3; ++index) {
    auto part = options();
    part.shard = {index, 3};
    part.results = folder_.string() + "/part" + std::to_string(index) + ".jsonl";
    ASSERT_TRUE(run(part, no_snapshots, verdict_of).ok());
    merge.paths.push_back(part.results);
  }
  ASSERT_TRUE(run(merge, no_snapshots, verdict_of).ok());
  EXPECT_EQ(text_of(merge.results), text_of(whole.results));
}

TEST(Groups, HangsFirstThenByCountAndReasonsTogether) {
  Rows rows;
  const auto add = [&](const std::string& path, std::uint64_t size, std::int64_t mtime) {
    rows[path] = verdict_of({path, size, mtime});
  };
  add("a", 1, 5'000'000'000);
  add("b", 2, 7'000'000'000);
  add("c", 2, 3'000'000'000);
  for (const char* path : {"d", "e"}) {
    Row row;
    row.item.path = path;
    row.error = std::string(path) + " is empty";
    rows[path] = row;
  }
  const auto groups = groups_of(rows);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].id, "S1");
  EXPECT_EQ(groups[0].count, 2U);
  EXPECT_EQ(groups[0].first_ns, 3'000'000'000);
  EXPECT_EQ(groups[0].last_ns, 7'000'000'000);
  EXPECT_EQ(groups[0].example, "b");
  EXPECT_EQ(groups[1].id, "N3");
  EXPECT_EQ(groups[2].count, 2U) << "two empty files are one reason";
  EXPECT_EQ(exit_code_of(rows), 3);
  rows.erase("d");
  rows.erase("e");
  EXPECT_EQ(exit_code_of(rows), 1);
  rows.erase("b");
  rows.erase("c");
  EXPECT_EQ(exit_code_of(rows), 0);
}

TEST(Page, EverythingFromOutsideIsEscaped) {
  Rows rows;
  auto row = verdict_of({"<script>alert(1)</script>", 2, 0});
  row.blame = "<lambda>, a&b.py:1";
  rows["x"] = row;
  const auto html = page_html(groups_of(rows), rows);
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;lambda&gt;, a&amp;b.py:1"));
}

TEST(Progress, SaysHowLongItTakes) {
  EXPECT_EQ(progress_line(15, 30, 5), "[###############---------------]  15/30  5.0/s  3 s left");
  EXPECT_EQ(progress_line(0, 1000, 1).substr(34), "0/1000  1.0/s  17 min left");
}

}  // namespace
}  // namespace hang::batch
