// build/lib/libhang_gdb.so by its C ABI alone, with a debugger that lies.
#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "e2e/command.h"
#include "hosts/gdb/hang_gdb.h"

namespace hang::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kLibrary = HANG_GDB_LIBRARY;

struct Said {
  std::string out, err;
  std::int64_t exit_code = -1;
};

class GdbAbi : public ::testing::Test {
 protected:
  void SetUp() override {
    library_ = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library_, nullptr) << dlerror();
    debugger_.abi = HANG_GDB_ABI;
    debugger_.size = sizeof debugger_;
  }
  void TearDown() override {
    if (library_ != nullptr) dlclose(library_);
  }

  template <typename Function>
  Function* function(const char* name) {
    return reinterpret_cast<Function*>(dlsym(library_, name));
  }

  Said run(std::vector<const char*> words) {
    const auto* result = function<decltype(hang_gdb_run)>("hang_gdb_run")(&debugger_, words.size(), words.data(), 0, 0);
    if (result == nullptr) return {};
    Said said{result->out, result->err, result->exit_code};
    function<decltype(hang_gdb_free)>("hang_gdb_free")(result);
    return said;
  }

  // A process that is traced by nobody, so that only the callbacks tell of it.
  void pretend_remote() {
    debugger_.pid = 1234;
    debugger_.connection = "remote";
  }

  void* library_ = nullptr;
  hang_gdb_debugger debugger_{};
};

TEST_F(GdbAbi, ExportsWhatTheHeaderDeclaresAndNeedsNoDebugger) {
  const auto symbols = run_command({HANG_NM, "-D", "--defined-only", kLibrary});
  ASSERT_EQ(symbols.exit_code, 0) << symbols.err;
  EXPECT_EQ(std::count(symbols.out.begin(), symbols.out.end(), '\n'), 4) << symbols.out;
  for (const char* name : {"hang_gdb_abi", "hang_gdb_commands", "hang_gdb_run", "hang_gdb_free"})
    EXPECT_NE(dlsym(library_, name), nullptr) << name;
  EXPECT_EQ(function<decltype(hang_gdb_abi)>("hang_gdb_abi")(), std::uint64_t{HANG_GDB_ABI});
  const auto needed = run_command({HANG_READELF, "-d", "-W", kLibrary});
  EXPECT_THAT(needed.out, HasSubstr("(NEEDED)"));
  EXPECT_THAT(needed.out, ::testing::Not(HasSubstr("libpython")));
}

TEST_F(GdbAbi, ListsTheCommands) {
  std::uint64_t count = 0;
  const auto* list = function<decltype(hang_gdb_commands)>("hang_gdb_commands")(&count);
  ASSERT_NE(list, nullptr);
  std::map<std::string, hang_gdb_command> commands;
  for (std::uint64_t i = 0; i < count; ++i) commands[list[i].name] = list[i];
  ASSERT_THAT(commands, ::testing::Contains(::testing::Key("classify")));
  EXPECT_THAT(commands["classify"].summary, HasSubstr("why the process hangs"));
  EXPECT_THAT(commands["classify"].flags, HasSubstr("--format"));
  EXPECT_THAT(commands["classify"].flags, ::testing::Not(HasSubstr("--pid")));
  EXPECT_THAT(commands["gil"].help, HasSubstr("hang gil"));
}

TEST_F(GdbAbi, RefusesAnotherVersion) {
  debugger_.abi = HANG_GDB_ABI + 1;
  EXPECT_THAT(run({"classify"}).err, HasSubstr("different versions"));
  debugger_.abi = HANG_GDB_ABI;
  debugger_.size -= 8;
  EXPECT_THAT(run({"classify"}).err, HasSubstr("different versions"));
  const auto* result = function<decltype(hang_gdb_run)>("hang_gdb_run")(nullptr, 3, nullptr, 0, 0);
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(result->exit_code, 2);
  function<decltype(hang_gdb_free)>("hang_gdb_free")(result);
}

TEST_F(GdbAbi, SaysWhyThereIsNothingToLookAt) {
  const auto none = run({"classify"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_EQ(none.err, "hang: no process: attach to one (attach PID) or load a core (core-file FILE)\n");
  debugger_.pid = 1234;
  EXPECT_THAT(run({"classify"}).err, HasSubstr("GDB 12 or later is needed"));
  pretend_remote();
  debugger_.running = 1;
  EXPECT_EQ(run({"classify"}).err, "hang: the process is running: stop it first (interrupt)\n");
}

TEST_F(GdbAbi, AnswersWithoutAProcessWhatNeedsNone) {
  const auto help = run({"help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("classify"));
  EXPECT_EQ(run({"explain", "S1"}).exit_code, 0);
  EXPECT_EQ(run({}).exit_code, 0);
  const auto unknown = run({"clasify"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("did you mean"));
}

TEST_F(GdbAbi, RefusesACoreThatItCannotFind) {
  debugger_.connection = "core";
  EXPECT_THAT(run({"classify"}).err, HasSubstr("GDB does not tell which core file it has loaded"));
  debugger_.target_info = "Local core dump file:\n\t`/nonexistent/core', file type elf64-x86-64.\n";
  EXPECT_THAT(run({"classify"}).err, HasSubstr("/nonexistent/core"));
  for (const char* text :
       {"Local core dump file:", "Local core dump file:\n\t`", "Local core dump file:', file type `"}) {
    debugger_.target_info = text;
    EXPECT_THAT(run({"classify"}).err, HasSubstr("GDB does not tell")) << text;
  }
}

TEST_F(GdbAbi, SurvivesADebuggerWithoutCallbacks) {
  pretend_remote();
  for (const char* command : {"classify", "threads", "gil", "signals", "loops", "channels", "interpreters", "graph"}) {
    const auto said = run({command});
    EXPECT_EQ(said.exit_code, 2) << command;
    EXPECT_THAT(said.err, HasSubstr("no CPython runtime")) << command;
  }
}

// Every answer is as wrong as it can be.
std::int64_t g_answer = 0;

std::int64_t lying_read(void*, std::uint64_t, void* out, std::uint64_t size) {
  std::memset(out, 0x7f, size);
  return g_answer;
}
std::int64_t lying_threads(void*, hang_gdb_thread* out, std::uint64_t capacity) {
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(capacity, 3); ++i) out[i].tid = i;
  return g_answer;
}
std::int64_t lying_member(void*, const char*, const char*, std::uint64_t* offset, std::uint64_t* size) {
  *offset = *size = ~std::uint64_t{0};
  return g_answer;
}
std::int64_t lying_text(char* out, std::uint64_t capacity) {
  const std::string text =
      "0xffffffffffffffff 0x0 0x0 0x0 r-xp /x\n0x1000 0xffffffffffffffff 0x10 0x0 r-xp /usr/bin/python3.11\n"
      "0x7000 0x9000 0x2000 0x0 rwxp /etc/passwd\n0x zz\n + in section \n";
  std::memcpy(out, text.data(), std::min<std::size_t>(capacity, text.size()));
  return g_answer;
}
std::int64_t lying_symbol(void*, std::uint64_t, char* out, std::uint64_t capacity) {
  return lying_text(out, capacity);
}
std::int64_t lying_mappings(void*, char* out, std::uint64_t capacity) {
  return lying_text(out, capacity);
}
std::int64_t lying_stack(void*, std::uint64_t, std::uint64_t* pcs, std::uint64_t capacity) {
  std::fill_n(pcs, capacity, ~std::uint64_t{0});
  return g_answer;
}

TEST_F(GdbAbi, SurvivesADebuggerThatLies) {
  pretend_remote();
  debugger_.read = lying_read;
  debugger_.threads = lying_threads;
  debugger_.member = lying_member;
  debugger_.symbol = lying_symbol;
  debugger_.mappings = lying_mappings;
  debugger_.stack = lying_stack;
  for (const std::int64_t answer : {std::int64_t{0}, std::int64_t{1}, std::int64_t{4096}, std::int64_t{1} << 40,
                                    INT64_MAX, INT64_MIN, std::int64_t{HANG_GDB_ABSENT}}) {
    g_answer = answer;
    for (const char* command : {"classify", "threads"}) {
      const auto said = run({command});
      EXPECT_EQ(said.exit_code, 2) << command << " " << answer << said.out;
      EXPECT_THAT(said.err, HasSubstr("hang: ")) << answer;
    }
  }
}

int g_calls = 0;
std::int64_t interrupted(void*, char*, std::uint64_t) {
  ++g_calls;
  return HANG_GDB_INTERRUPTED;
}

TEST_F(GdbAbi, EndsAtAnInterruptAndAsksNoMore) {
  pretend_remote();
  g_answer = INT64_MAX;
  debugger_.mappings = interrupted;
  debugger_.read = [](void*, std::uint64_t, void*, std::uint64_t) -> std::int64_t {
    ++g_calls;
    return 0;
  };
  debugger_.threads = [](void*, hang_gdb_thread*, std::uint64_t) -> std::int64_t {
    ++g_calls;
    return 0;
  };
  g_calls = 0;
  const auto said = run({"classify"});
  EXPECT_EQ(said.exit_code, 2);
  EXPECT_EQ(said.err, "hang: interrupted\n");
  EXPECT_EQ(said.out, "");
  EXPECT_EQ(g_calls, 1);
}

}  // namespace
}  // namespace hang::test
