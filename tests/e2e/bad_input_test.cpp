// What cannot be classified: one clear line on stderr, exit code 2, nothing left stopped, never a verdict.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "hosts.h"
#include "proc.h"
#include "support/python_process.h"

namespace hang::test {
namespace {

using testing::HasSubstr;

constexpr const char* kIdle = "import sys, time; sys.stdout.write('READY\\n'); sys.stdout.flush(); time.sleep(1000)";

void expect_refusal(const CommandResult& result, const std::string& words) {
  EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr(words));
}

CommandResult classify(const std::string& pid) {
  return run_command({HANG_BINARY, "classify", "-p", pid});
}

std::unique_ptr<PythonProcess> idle_python(const CPython& python) {
  auto process = PythonProcess::run_code(python, kIdle);
  EXPECT_TRUE(process.ok()) << process.error().message;
  return process.ok() ? std::move(*process) : nullptr;
}

const CPython* some_python() {
  static const std::vector<CPython> all = supported_pythons();
  return all.empty() ? nullptr : &all.front();
}

#define SKIP_WITHOUT_PYTHON() \
  if (!some_python()) GTEST_SKIP() << "no supported CPython on this machine"

TEST(BadInput, NoSuchProcess) {
  // The pid of a child that was waited for: ours until another process gets it.
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  expect_refusal(classify(std::to_string(child)), std::to_string(child));
}

TEST(BadInput, NotANumber) {
  const CommandResult result = classify("python");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err, "");
}

TEST(BadInput, NotPython) {
  const pid_t child = fork();
  if (child == 0) {
    execlp("sleep", "sleep", "1000", nullptr);
    _exit(127);
  }
  ASSERT_TRUE(await([&] { return status_field(child, child, "Name") == "sleep"; }, milliseconds(10'000)));
  expect_refusal(classify(std::to_string(child)), "Python");
  EXPECT_EQ(state_letter(child, child), 'S');
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(BadInput, Zombie) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_TRUE(await([&] { return state_letter(child, child) == 'Z'; }, milliseconds(10'000)));
  expect_refusal(classify(std::to_string(child)), "zombie");
  waitpid(child, nullptr, 0);
}

TEST(BadInput, PythonZombie) {
  SKIP_WITHOUT_PYTHON();
  const auto python = idle_python(*some_python());
  ASSERT_TRUE(python);
  const auto pid = static_cast<pid_t>(python->pid());
  python->kill_group();
  ASSERT_TRUE(await([&] { return state_letter(pid, pid) == 'Z'; }, milliseconds(10'000)));
  expect_refusal(classify(std::to_string(pid)), "zombie");
}

TEST(BadInput, NoPermission) {
  SKIP_WITHOUT_PYTHON();
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  if (find_program("setpriv").empty()) GTEST_SKIP() << "no setpriv in PATH";
  const auto python = idle_python(*some_python());
  ASSERT_TRUE(python);
  // A copy that user 65534 can reach, wherever the build directory is.
  const std::string copy = testing::TempDir() + "hang_copy_" + std::to_string(getpid());
  std::filesystem::copy_file(HANG_BINARY, copy, std::filesystem::copy_options::overwrite_existing);
  const CommandResult result = run_command({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                            "--inh-caps=-all", copy, "classify", "-p", std::to_string(python->pid())});
  std::filesystem::remove(copy);
  expect_refusal(result, "ermission");
}

TEST(BadInput, ProcessThatEndsWhileItIsRead) {
  SKIP_WITHOUT_PYTHON();
  // The kill comes at a different moment each time; whatever was read until then, it is an answer or a refusal.
  for (int delay_us = 0; delay_us < 40'000; delay_us += 2'000) {
    const auto python = idle_python(*some_python());
    ASSERT_TRUE(python);
    const pid_t killer = fork();
    if (killer == 0) {
      usleep(static_cast<useconds_t>(delay_us));
      kill(static_cast<pid_t>(python->pid()), SIGKILL);
      _exit(0);
    }
    const CommandResult result = run_command({HANG_BINARY, "classify", "-p", std::to_string(python->pid())});
    waitpid(killer, nullptr, 0);
    if (result.exit_code == 2) {
      EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    } else {
      EXPECT_THAT(result.exit_code, testing::AnyOf(0, 3)) << "a sleeping process is no hang: " << result.out;
    }
  }
}

TEST(BadInput, NoSuchFactsFile) {
  expect_refusal(run_command({HANG_BINARY, "classify", "--facts", "/nonexistent/facts.json"}),
                 "/nonexistent/facts.json");
}

TEST(BadInput, FactsThatAreNotFacts) {
  const std::string file = testing::TempDir() + "hang_not_facts_" + std::to_string(getpid());
  for (const char* text : {"", "{", "[]", "{}", "{\"schema_version\": 999}", "\xff\xfe"}) {
    std::ofstream(file, std::ios::trunc) << text;
    const CommandResult result = run_command({HANG_BINARY, "classify", "--facts", file});
    EXPECT_EQ(result.exit_code, 2) << text << result.out << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err, "");
  }
  std::filesystem::remove(file);
}

TEST(BadInput, FactsThatHaveNoEnd) {
  const std::string path = testing::TempDir() + "hang_no_end_" + std::to_string(getpid());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_refusal(run_command({HANG_BINARY, "classify", "--facts", path}), "is not a regular file");
  std::filesystem::remove(path);
  expect_refusal(run_command({HANG_BINARY, "classify", "--facts", "/dev/zero"}), "is not a regular file");
  // Zeros that take no room: it is refused by its size, and not for what is in it.
  std::ofstream(path) << "";
  std::filesystem::resize_file(path, (std::uintmax_t{256} << 20U) + 1);
  expect_refusal(run_command({HANG_BINARY, "classify", "--facts", path}), "too large");
  std::filesystem::remove(path);
}

TEST(BadInput, ASidecarThatHasNoEnd) {
  SKIP_WITHOUT_PYTHON();
  const auto python = idle_python(*some_python());
  ASSERT_TRUE(python);
  const std::string folder = testing::TempDir() + "hang_sidecar_" + std::to_string(getpid());
  const auto taken = run_command({HANG_BINARY, "snapshot", std::to_string(python->pid()), "--core", "-o", folder});
  ASSERT_EQ(taken.exit_code, 0) << taken.err;
  ASSERT_EQ(mkfifo((folder + "/core.hang.json").c_str(), 0600), 0);
  const auto result = run_command({HANG_BINARY, "classify", "--core", folder + "/core", "-v"});
  EXPECT_THAT(result.out, HasSubstr("core.hang.json is not a regular file"));
  std::filesystem::remove_all(folder);
}

TEST(BadInput, ASnapshotWhereOneIsAlready) {
  SKIP_WITHOUT_PYTHON();
  const auto python = idle_python(*some_python());
  ASSERT_TRUE(python);
  const std::string folder = testing::TempDir() + "hang_twice_" + std::to_string(getpid());
  const auto take = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{HANG_BINARY, "snapshot", std::to_string(python->pid()), "-o", folder};
    words.insert(words.end(), more.begin(), more.end());
    return run_command(words);
  };
  EXPECT_EQ(take({"--core"}).exit_code, 0);
  const auto before = std::filesystem::last_write_time(folder + "/facts.json");
  expect_refusal(take({}), "snapshot.json is there already");
  EXPECT_EQ(std::filesystem::last_write_time(folder + "/facts.json"), before);
  std::filesystem::remove_all(folder);
}

// What the kernel knew of a process is for those who may read its core.
TEST(BadInput, ASidecarIsAsPrivateAsItsCore) {
  const std::string core = testing::TempDir() + "hang_helper_" + std::to_string(getpid());
  std::ofstream(core + ".hang.json") << "of an earlier core, for all to read";
  const auto result = run_command({"sh", "-c",
                                   std::string("umask 0; exec " HANG_BINARY " core-helper ") +
                                       std::to_string(getpid()) + " -o " + core + " < /dev/null"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const auto& path : {core, core + ".hang.json"}) {
    EXPECT_EQ(std::filesystem::status(path).permissions(), static_cast<std::filesystem::perms>(0600)) << path;
    std::filesystem::remove(path);
  }
}

TEST(BadInput, CoresThatAreNone) {
  const std::string file = testing::TempDir() + "hang_no_core_" + std::to_string(getpid());
  const auto refused = [&](const std::string& bytes, const std::string& words) {
    std::ofstream(file, std::ios::trunc) << bytes;
    expect_refusal(run_command({HANG_BINARY, "classify", "--core", file}), words);
  };
  refused("", "empty");
  refused("no core at all, however long it may be, and it is longer than an ELF header", "not an ELF file");
  refused(std::string("\x7f"
                      "ELF\x02\x01\x01",
                      7),
          "cut off");
  expect_refusal(run_command({HANG_BINARY, "classify", "--core", "/nonexistent/core"}), "/nonexistent/core");
  expect_refusal(run_command({HANG_BINARY, "classify", "--core", HANG_BINARY}), "not a core");
  expect_refusal(run_command({HANG_BINARY, "classify", "/tmp"}), "no snapshot");
  expect_refusal(run_command({HANG_BINARY, "classify", HANG_BINARY, "--core", file}), "name one source");
  expect_refusal(run_command({HANG_BINARY, "classify", "-p", "1", "--sysroot", "/"}), "cores");
  std::filesystem::remove(file);
}

// A CPython without a layout is refused by name, in every host.
class UnsupportedPython : public testing::TestWithParam<CPython> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(UnsupportedPython);

TEST_P(UnsupportedPython, IsRefusedByTheCli) {
  const auto python = idle_python(GetParam());
  ASSERT_TRUE(python);
  const auto pid = static_cast<pid_t>(python->pid());
  expect_refusal(classify(std::to_string(pid)),
                 std::to_string(GetParam().major) + "." + std::to_string(GetParam().minor));
  EXPECT_EQ(state_letter(pid, pid), 'S');
}

TEST_P(UnsupportedPython, IsRefusedByLldb) {
  if (const std::string why = why_no_lldb(); !why.empty()) GTEST_SKIP() << why;
  const auto python = idle_python(GetParam());
  ASSERT_TRUE(python);
  const Report report = classify_in_lldb(static_cast<pid_t>(python->pid()));
  EXPECT_FALSE(report.json) << report.command.out;
  EXPECT_THAT(report.command.out + report.command.err,
              HasSubstr(std::to_string(GetParam().major) + "." + std::to_string(GetParam().minor)));
}

TEST_P(UnsupportedPython, IsRefusedByGdb) {
  if (const std::string why = why_no_gdb(); !why.empty()) GTEST_SKIP() << why;
  const auto python = idle_python(GetParam());
  ASSERT_TRUE(python);
  const Report report = classify_in_gdb(static_cast<pid_t>(python->pid()));
  EXPECT_FALSE(report.json) << report.command.out;
  EXPECT_THAT(report.command.err, HasSubstr(std::to_string(GetParam().major) + "." + std::to_string(GetParam().minor)));
}

INSTANTIATE_TEST_SUITE_P(Installed, UnsupportedPython, testing::ValuesIn(unsupported_pythons()),
                         python_name<testing::TestParamInfo<CPython>>);

}  // namespace
}  // namespace hang::test
