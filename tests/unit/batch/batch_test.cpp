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
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch/database.h"
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
  std::vector<Item> list(const Shard& shard = {}) { return list_of({folder_.string()}, shard).items; }
  static WorkList list_of(const std::vector<std::string>& paths, const Shard& shard = {}) {
    return work_list(paths, shard, [](const std::string& path) {
      std::error_code ignored;
      return fs::exists(path + "/snapshot.json", ignored);
    });
  }
  // Of the items, below the folder.
  std::vector<std::string> names_of(const WorkList& list) {
    std::vector<std::string> names;
    for (const auto& item : list.items) names.push_back(item.path.substr(folder_.native().size() + 1));
    return names;
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
  const auto list = list_of({"/nowhere/core"});
  ASSERT_EQ(list.items.size(), 1U);
  EXPECT_EQ(list.items[0].size, 0U);
  EXPECT_EQ(list.refused.at("/nowhere/core"), "no such file");
}

TEST_F(Batch, WhatIsNoFileAndWasNamedGetsARow) {
  const auto fifo = (folder_ / "in/fifo").string(), link = (folder_ / "in/link").string();
  file("in/core");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  fs::create_symlink("gone", link);
  const auto named = list_of({fifo, link, "/dev/null"});
  EXPECT_EQ(named.items.size(), 3U);
  EXPECT_EQ(named.refused.at(fifo), "is not a regular file");
  EXPECT_EQ(named.refused.at("/dev/null"), "is not a regular file");
  EXPECT_EQ(named.refused.at(link), "is a link to what is not there");
  // In a folder that is searched, a FIFO is nobody's core, and a link was one.
  EXPECT_THAT(names_of(list_of({(folder_ / "in").string()})), testing::ElementsAre("in/core", "in/link"));
  const auto rows = run(options(), no_snapshots, verdict_of);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->at(link).status, Status::unreadable);
  EXPECT_EQ(rows->at(link).error, "is a link to what is not there");
  EXPECT_EQ(exit_code_of(*rows), 3);
}

TEST_F(Batch, AFolderThatCannotBeReadIsARow) {
  if (geteuid() == 0) GTEST_SKIP() << "root reads every folder; tests/e2e/batch_test.cpp becomes somebody else";
  file("in/core");
  file("in/locked/core");
  fs::permissions(folder_ / "in/locked", fs::perms::none);
  const auto list = list_of({(folder_ / "in").string()});
  fs::permissions(folder_ / "in/locked", fs::perms::all);
  EXPECT_THAT(names_of(list), testing::ElementsAre("in/core", "in/locked"));
  EXPECT_EQ(list.refused.size(), 1U);
}

TEST_F(Batch, AFileThatIsNamedTwiceIsThereOnceByItsFirstName) {
  file("a/core");
  file("a/snap/snapshot.json");
  fs::create_directories(folder_ / "b");
  const auto at = [&](const std::string& name) { return folder_.string() + "/" + name; };
  fs::create_symlink("a", folder_ / "link");
  EXPECT_THAT(names_of(list_of({at("a/"), at("a"), at("./a"), at("b/../a"), at("link")})),
              testing::ElementsAre("a/core", "a/snap"));
  EXPECT_THAT(names_of(list_of({at("b/../a/core"), at("a")})), testing::ElementsAre("a/snap", "b/../a/core"));
  EXPECT_THAT(names_of(list_of({at("a/snap/"), at("a/snap"), at("a//core"), at("a/core")})),
              testing::ElementsAre("a//core", "a/snap/"));
  // A link to a file that is on the list says nothing new; one to another file does.
  fs::create_symlink("core", folder_ / "a/_latest");
  file("c/core");
  fs::create_symlink("../c/core", folder_ / "a/other");
  EXPECT_THAT(names_of(list_of({at("a")})), testing::ElementsAre("a/core", "a/other", "a/snap"));
}

TEST_F(Batch, AnEmptyFolderIsNoted) {
  fs::create_directories(folder_ / "in/deeper");
  file("in/results.jsonl", "");
  auto some = options();
  std::vector<std::string> notes;
  some.note = [&](const std::string& text) { notes.push_back(text); };
  ASSERT_TRUE(run(some, no_snapshots, verdict_of).ok());
  EXPECT_THAT(notes, testing::ElementsAre(some.paths[0] + ": nothing to classify in it"));
  file("in/core");
  some.paths = {folder_.string() + "/in", folder_.string() + "/in/"};
  notes.clear();
  ASSERT_TRUE(run(some, no_snapshots, verdict_of).ok());
  EXPECT_THAT(notes, testing::IsEmpty());
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

TEST_F(Batch, ALastLineWithoutItsEndIsARowAllTheSame) {
  Rows rows;
  const auto read = read_rows(file("r.jsonl", to_line(verdict_of({"a", 2, 0}))), rows);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(*read, 0U);
  EXPECT_EQ(rows.size(), 1U);
}

TEST_F(Batch, AFileOfSomebodyElsesIsLeftAlone) {
  file("in/one");
  auto some = options();
  some.results = file("letter", "no line of ours");
  const auto rows = run(some, no_snapshots, verdict_of);
  ASSERT_FALSE(rows.ok());
  EXPECT_THAT(rows.error().message, HasSubstr("line 1"));
  EXPECT_EQ(text_of(some.results), "no line of ours");
}

TEST_F(Batch, ResultsInNoRegularFileAreRefusedAtOnce) {
  const auto fifo = (folder_ / "fifo").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const auto& path : {fifo, std::string("/dev/zero"), folder_.string()}) {
    Rows rows;
    const auto read = read_rows(path, rows);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().message, path + " is not a regular file");
    Journal journal;
    EXPECT_FALSE(journal.open(path).ok());
    for (const bool merge : {false, true}) {
      auto some = options();
      some.merge = merge;
      some.paths.clear();
      some.results = path;
      EXPECT_FALSE(run(some, no_snapshots, verdict_of).ok());
      some.results.clear();
      some.database = path;
      EXPECT_FALSE(run(some, no_snapshots, verdict_of).ok());
    }
  }
  EXPECT_TRUE(fs::is_fifo(fifo));
}

TEST_F(Batch, ALineWithoutAnEndIsNotReadToItsEnd) {
  const auto path = file("r.jsonl", "");
  ASSERT_EQ(truncate(path.c_str(), off_t{1} << 40), 0);  // zeros that take no room
  Rows rows;
  const auto read = read_rows(path, rows);
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().message, HasSubstr("longer than any row"));
}

TEST_F(Batch, AMergeSaysThatALineWasCutOff) {
  file("a.jsonl", to_line(verdict_of({"a", 2, 0})) + "\n{\"path\":\"b\",\"sta");
  Options merge;
  merge.merge = true;
  merge.paths = {(folder_ / "a.jsonl").string()};
  std::string notes;
  merge.note = [&](const std::string& text) { notes += text; };
  const auto rows = run(merge, no_snapshots, verdict_of);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->size(), 1U);
  EXPECT_EQ(notes, merge.paths[0] + ": 1 line not understood, it was cut off");
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

TEST_F(Batch, WhatHasNoVerdictIsTriedAgain) {
  const auto slow = file("in/slow"), crash = file("in/crash"), odd = file("in/odd");
  auto some = options();
  some.limits.timeout = std::chrono::milliseconds(300);
  const auto first = run(some, no_snapshots, [&](const Item& item) {
    if (item.path == crash) std::raise(SIGKILL);
    while (item.path == slow) pause();
    Row row;
    row.item = item;
    row.error = "permission denied";
    return row;
  });
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(exit_code_of(*first), 3);
  const auto second = run(some, no_snapshots, verdict_of);
  ASSERT_TRUE(second.ok());
  for (const auto& path : {slow, crash, odd}) EXPECT_EQ(second->at(path).status, Status::classified);
}

TEST_F(Batch, WhatWasReadInAnotherWayIsReadAgain) {
  file("in/one");
  auto some = options();
  const auto as = [&](const std::string& key) {
    some.key_of = [key](const Item&) { return key; };
    const auto rows = run(some, no_snapshots, [&](const Item& item) {
      auto row = verdict_of(item);
      row.python = key + text_of(folder_ / "note");
      return row;
    });
    EXPECT_TRUE(rows.ok());
    return rows->begin()->second.python;
  };
  EXPECT_EQ(as("a"), "a");
  file("note", "again");
  EXPECT_EQ(as("a"), "a") << "it was read again";
  EXPECT_EQ(as("b"), "bagain");
  EXPECT_THAT(text_of(some.results), HasSubstr("\"key\":\"b\""));
  // Results of a hang that had no keys.
  Row old = verdict_of({folder_.string() + "/in/one", 1, 0});
  auto line = to_line(old);
  line.erase(line.find("\"key\":\"\","), 9);
  file("results.jsonl", line + "\n");
  EXPECT_EQ(as("b"), "bagain");
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

Rows blamed_on(const std::vector<std::vector<std::string>>& lines) {
  Rows rows;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto path = "core." + std::to_string(i);
    auto row = verdict_of({path, 2, 0});
    row.also_blamed = lines[i];
    row.signature = std::to_string(i);
    rows[path] = row;
  }
  return rows;
}

TEST(Groups, ThatLookAlikeSayWhatTheyDifferIn) {
  const auto text = table_text(groups_of(blamed_on({{"a, common.py:1", "a, left.py:2"}, {"a, common.py:1"}})), 0);
  EXPECT_THAT(text, HasSubstr("match, scan.py:88 + a, left.py:2 "));
  EXPECT_THAT(text, HasSubstr("match, scan.py:88 + 1 more "));
  EXPECT_THAT(table_text(groups_of(blamed_on({{"a, common.py:1"}})), 0), Not(HasSubstr(" + ")));
  const auto groups = groups_of(blamed_on({{"a, " + std::string(80, 'x') + "/left.py:2"}, {"b, right.py:3"}}));
  const auto narrow = table_text(groups, 100);
  EXPECT_THAT(narrow, HasSubstr("...left.py:2 "));
  EXPECT_THAT(narrow, HasSubstr("right.py:3 "));
  Rows rows = blamed_on({{"a, left.py:2"}, {}});
  EXPECT_THAT(page_html(groups_of(rows), rows), HasSubstr("+ <code>a, left.py:2</code>"));
}

TEST(Groups, NothingIsCutWhereThereIsNoTerminal) {
  Rows rows;
  Row row;
  row.item.path = "/srv/" + std::string(200, 'x');
  row.error = "no room " + std::string(150, 'y') + " for it";
  rows[row.item.path] = row;
  const auto text = table_text(groups_of(rows), 0);
  EXPECT_THAT(text, HasSubstr(row.item.path));
  EXPECT_THAT(text, HasSubstr(row.error));
  EXPECT_THAT(table_text(groups_of(rows), 100), Not(HasSubstr(row.error)));
}

TEST_F(Batch, TheViewHasTheGroupsOfTheTable) {
  auto rows = blamed_on({{"a, left.py:2"}, {"a, left.py:2"}});
  for (const auto& [path, error] : std::map<std::string, std::string>{
           {"d", "d is empty"}, {"e", "e is empty"}, {"f", "cut off at 12"}, {"g", "cut off at 7"}}) {
    Row row;
    row.item.path = path;
    row.error = error;
    rows[path] = row;
  }
  const auto path = (folder_ / "r.db").string();
  ASSERT_TRUE(write_database(path, rows).ok());
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  std::vector<std::string> groups;
  const auto take = [](void* to, int, char** values, char**) {
    static_cast<std::vector<std::string>*>(to)->push_back(std::string(values[0]) + " " +
                                                          (values[1] == nullptr ? values[2] : values[1]));
    return 0;
  };
  EXPECT_EQ(sqlite3_exec(database, "SELECT count, reason, also_blamed FROM causes", take, &groups, nullptr), SQLITE_OK);
  sqlite3_close(database);
  EXPECT_THAT(groups,
              testing::UnorderedElementsAre("1 a, left.py:2", "1 a, left.py:2", "2 is empty", "2 cut off at #"));
  EXPECT_EQ(groups.size(), groups_of(rows).size());
}

TEST(Row, KeepsTheOtherBlamedLines) {
  const auto row = row_of_report({"x", 1, 0}, R"({"verdict": {"id": "L3", "signature": "s", "blame": [
    {"frame": "a, a.py:1"}, {"frame": "b, b.py:2"}, {"frame": "c, c.py:3"}]}})");
  ASSERT_TRUE(row.ok());
  EXPECT_EQ(row->blame, "a, a.py:1");
  EXPECT_THAT(row->also_blamed, testing::ElementsAre("b, b.py:2", "c, c.py:3"));
  const auto back = from_line(to_line(*row));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->also_blamed, row->also_blamed);
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

TEST_F(Batch, WhoWaitsIsToldWhatRuns) {
  const auto note = folder_ / "note";
  Running seen;
  std::size_t rows = 0;
  // The item is done once somebody was told that it runs.
  const auto classify = [&](const Item& item) {
    while (!fs::exists(note)) usleep(1000);
    return verdict_of(item);
  };
  const auto done = classify_all(
      {{"x", 1, 0}}, {}, classify, [&](const Row&) { return ++rows > 0; },
      [&](const Running& running) {
        seen = running;
        std::ofstream(note) << "seen";
      });
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(rows, 1U);
  EXPECT_EQ(seen.items, 1U);
  EXPECT_GT(seen.seconds, 0.5);
}

TEST(Progress, SaysHowLongItTakes) {
  EXPECT_EQ(progress_line(15, 30, 5, {}, 80), "[###############---------------]  15/30  5.0/s  3 s left");
  EXPECT_EQ(progress_line(0, 1000, 1, {}, 80).substr(34), "0/1000  1.0/s  17 min left");
}

TEST(Progress, NeverIsWiderThanTheTerminal) {
  EXPECT_EQ(progress_line(15, 30, 5, {}, 39), "[######-------]  15/30  5.0/s  3 s left");
  EXPECT_EQ(progress_line(15, 30, 5, {}, 30), "15/30  5.0/s  3 s left");
  EXPECT_EQ(progress_line(15, 30, 5, {}, 15), "15/30  5.0/s");
  for (std::size_t width = 0; width < 100; ++width)
    for (const std::size_t done : {0U, 7U, 99'998U, 99'999U, 100'000U})
      EXPECT_LE(progress_line(done, 100'000, 1234.5, {2, 99'999}, width).size(), width);
}

TEST(Progress, PromisesNothingWhileAllThatIsLeftRuns) {
  EXPECT_THAT(progress_line(99, 100, 50, {1, 12.2}, 80), HasSubstr("99/100  50.0/s  1 running for 12 s"));
  EXPECT_THAT(progress_line(99, 100, 50, {1, 0.5}, 80), HasSubstr("1 s left"));
  EXPECT_THAT(progress_line(50, 100, 5, {2, 12.2}, 80), HasSubstr("10 s left"));
  EXPECT_THAT(progress_line(100, 100, 50, {}, 80), HasSubstr("0 s left"));
}

}  // namespace
}  // namespace hang::batch
