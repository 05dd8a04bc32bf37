// hang batch --coredumpctl on journals that systemd-journal-remote wrote, with the fields that systemd-coredump stores.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <unistd.h>
#include <vector>

#include "command.h"
#include "proc.h"
#include "support/python_process.h"

namespace hang::test {
namespace {

constexpr milliseconds kDeadline{60'000};

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kRemote = "/lib/systemd/systemd-journal-remote";
constexpr const char* kMessage = "fc2e22bc6ee647b6b90729ab34a250b1";
constexpr const char* kTime = "1763945519000000";  // 2025-11-24 00:51:59

// Python does not know that the kernel drops the signal: only SigIgn says it.
constexpr const char* kIgnoredBehindPython =
    "import ctypes, time; ctypes.CDLL(None).signal(2, ctypes.c_void_p(1)); time.sleep(1000)";

using Fields = std::map<std::string, std::string>;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// As compose_open_fds() of systemd's src/coredump/coredump.c writes it.
std::string open_fds(std::uint64_t pid) {
  const fs::path process = "/proc/" + std::to_string(pid);
  std::string text;
  for (const auto& entry : fs::directory_iterator(process / "fd")) {
    const auto number = entry.path().filename().string();
    if (!text.empty()) text += "\n";
    text += number + ":" + fs::read_symlink(entry.path()).string() + "\n" + text_of(process / "fdinfo" / number);
  }
  return text;
}

// One entry of the journal's export format, all fields as binary ones.
std::string entry_of(const Fields& fields) {
  std::string text =
      "__REALTIME_TIMESTAMP=1763945520000000\n__MONOTONIC_TIMESTAMP=1000000\n"
      "_BOOT_ID=0123456789abcdef0123456789abcdef\n";
  for (const auto& [name, value] : fields) {
    text += name + "\n";
    for (unsigned i = 0; i < 8; ++i) text += static_cast<char>((value.size() >> (8 * i)) & 0xff);
    text += value + "\n";
  }
  return text + "\n";
}

class Coredumpctl : public testing::Test {
 protected:
  void SetUp() override {
    if (access(kRemote, X_OK) != 0) GTEST_SKIP() << "no systemd-journal-remote";
    if (find_program("gcore").empty()) GTEST_SKIP() << "no gcore (gdb) in PATH";
    const auto pythons = supported_pythons();
    if (pythons.empty()) GTEST_SKIP() << "no supported CPython on this machine";
    python_ = pythons.front();
    std::string name = (fs::temp_directory_path() / "hang-coredumpctl-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    fs::create_directory(folder_ / "journal");
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  // The record of a process that runs `code`: its core, packed, and its fields as they are now.
  Fields record(const std::string& code) {
    auto process =
        PythonProcess::run_code(*python_, "import sys; sys.stdout.write('READY\\n'); sys.stdout.flush()\n" + code);
    if (!process.ok()) throw std::runtime_error(process.error().message);
    const auto pid = (*process)->pid();
    // Asleep for good: its registers are those of the wait.
    const auto asleep = [&] {
      const auto call = text_of("/proc/" + std::to_string(pid) + "/syscall");
      return call.starts_with("230 ") || call.starts_with("232 ") || call.starts_with("281 ");
    };
    if (!await(asleep, kDeadline)) throw std::runtime_error("the process never came to rest");
    const auto status = text_of("/proc/" + std::to_string(pid) + "/status"), fds = open_fds(pid);
    const auto core = (folder_ / "core").string() + "." + std::to_string(pid);
    run_command({"gcore", "-o", (folder_ / "core").string(), std::to_string(pid)});
    run_command({"zstd", "-q", "--rm", core});
    return {{"MESSAGE_ID", kMessage},          {"COREDUMP_PID", std::to_string(pid)},
            {"COREDUMP_EXE", python_->path()}, {"COREDUMP_SIGNAL", "6"},
            {"COREDUMP_TIMESTAMP", kTime},     {"COREDUMP_FILENAME", core + ".zst"},
            {"COREDUMP_PROC_STATUS", status},  {"COREDUMP_OPEN_FDS", fds}};
  }

  void write_journal(const std::vector<Fields>& records) {
    std::ofstream exported(folder_ / "export", std::ios::binary);
    for (const auto& fields : records) exported << entry_of(fields);
    exported.close();
    const auto done = run_command(
        {"sh", "-c", "exec \"$0\" -o \"$1/journal/test.journal\" - < \"$1/export\"", kRemote, folder_.string()});
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }

  CommandResult batch(std::vector<std::string> words = {"--format", "json"}) {
    words.insert(words.begin(), {HANG_BINARY, "batch", "--coredumpctl", "--journal", (folder_ / "journal").string()});
    return run_command(words);
  }
  nlohmann::json only_row() {
    const auto result = batch();
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out << result.err;
    return nlohmann::json::parse(result.out, nullptr, false);
  }

  static nlohmann::json without_journal(const Fields& fields) {
    const auto result = run_command({HANG_BINARY, "batch", fields.at("COREDUMP_FILENAME"), "--format", "json"});
    return nlohmann::json::parse(result.out, nullptr, false);
  }

  std::optional<CPython> python_;
  fs::path folder_;
};

TEST_F(Coredumpctl, AnIgnoredSignalIsInTheFieldsOnly) {
  auto fields = record(kIgnoredBehindPython);
  write_journal({fields});
  const auto with = only_row();
  EXPECT_EQ(with["id"], "S5") << with;
  EXPECT_EQ(with["ctrl_c"], "no") << with;
  EXPECT_EQ(with["mtime_ns"], 1763945519000000000) << "the time of the crash, not of the file";
  EXPECT_NE(without_journal(fields)["id"], "S5") << "the core alone does not tell";
}

TEST_F(Coredumpctl, ACoreInTheJournalItself) {
  auto fields = record(kIgnoredBehindPython);
  fields["COREDUMP"] = text_of(fields["COREDUMP_FILENAME"]);
  fs::remove(fields["COREDUMP_FILENAME"]);
  fields.erase("COREDUMP_FILENAME");
  write_journal({fields});
  const auto row = only_row();
  EXPECT_EQ(row["id"], "S5") << row;
  EXPECT_EQ(row["path"], "journal:" + fields["COREDUMP_PID"] + "@" + kTime);
}

TEST_F(Coredumpctl, GarbageAndWhatIsGoneCostTheirRows) {
  const Fields gone{{"MESSAGE_ID", kMessage},
                    {"COREDUMP_PID", "12"},
                    {"COREDUMP_EXE", "/usr/bin/cat"},
                    {"COREDUMP_FILENAME", "/nowhere/core.cat.zst"},
                    {"COREDUMP_SIGNAL", "11"}};
  const Fields nothing{{"MESSAGE_ID", kMessage}, {"COREDUMP_PID", "x"}, {"COREDUMP_TIMESTAMP", "-7"}};
  const Fields garbage{{"MESSAGE_ID", kMessage},
                       {"COREDUMP_PID", "13"},
                       {"COREDUMP", "garbage"},
                       {"COREDUMP_OPEN_FDS", std::string("\0\xff:\n\n", 5)},
                       {"COREDUMP_PROC_STATUS", "SigIgn:"}};
  const Fields other{{"MESSAGE_ID", "00000000000000000000000000000001"}, {"COREDUMP_PID", "14"}};
  write_journal({gone, nothing, garbage, other});
  const auto result = batch();
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 3) << result.out;
  EXPECT_THAT(result.out, HasSubstr("the core is gone"));
  EXPECT_THAT(result.out, HasSubstr("/usr/bin/cat (pid 12, signal 11)"));
  EXPECT_THAT(result.out, HasSubstr("did not keep the core"));
  const auto resumed = batch({"--format", "json", "-o", (folder_ / "r.jsonl").string(), "-j", "3"});
  EXPECT_EQ(resumed.out, result.out);
  EXPECT_EQ(batch({"--format", "json", "-o", (folder_ / "r.jsonl").string()}).out, result.out);
}

TEST_F(Coredumpctl, FieldsNameTheDescriptorsOfALoop) {
  auto fields = record("import asyncio\nasync def main(): await asyncio.Queue().get()\nasyncio.run(main())");
  write_journal({fields});
  const auto with = only_row();
  EXPECT_EQ(with["status"], "classified") << with;
  EXPECT_EQ(with["id"], "L1") << with;
  EXPECT_THAT(with["summary"].get<std::string>(), HasSubstr("only its own wakeup socket is registered"));
  EXPECT_EQ(with["confidence"], "certain") << with;
  const auto without = without_journal(fields);
  EXPECT_EQ(without["id"], "L1") << without;
  EXPECT_EQ(without["confidence"], "likely") << "by the loop's own map alone";
  // Fields that lie about another process, or are garbage, leave the core as it is.
  fields["COREDUMP_PROC_STATUS"] = "NSpid:\t1\n";
  fields["COREDUMP_OPEN_FDS"] = "0";
  fs::remove_all(folder_ / "journal");
  fs::create_directory(folder_ / "journal");
  write_journal({fields});
  EXPECT_EQ(only_row()["status"], "classified");
}

TEST_F(Coredumpctl, AnEmptyFolderIsNothingAndNoFolderAnError) {
  EXPECT_EQ(batch().out, "");
  fs::remove(folder_ / "journal");
  const auto result = batch();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("journal"));
}

}  // namespace
}  // namespace hang::test
