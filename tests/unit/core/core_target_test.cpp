// A core and its program files: only the file that was mapped fills in what the core leaves out, and only what nobody
// could have written to.
#include "hosts/core/core_target.h"

#include <algorithm>
#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "core_builder.h"
#include "cpython/runtime.h"
#include "hosts/core/core_writer.h"
#include "support/fake_target.h"

namespace hang::core {
namespace {

using test::append;
using test::CoreBuilder;
using test::elf_header;
using test::TemporaryFile;

constexpr std::uint64_t kBase = 0x7f0000000000, kPage = 0x1000;

// A shared object of three pages: headers and build id, read-only text, writable data.
std::string library(const std::string& build_id, char text = 't') {
  std::string file;
  append(file, elf_header(ET_DYN, 3));
  const std::uint64_t note = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr);
  const std::uint64_t note_size = sizeof(Elf64_Nhdr) + 4 + build_id.size();
  append(file, Elf64_Phdr{PT_LOAD, PF_R | PF_X, 0, 0, 0, 2 * kPage, 2 * kPage, kPage});
  append(file, Elf64_Phdr{PT_LOAD, PF_R | PF_W, 2 * kPage, 2 * kPage, 0, kPage, kPage, kPage});
  append(file, Elf64_Phdr{PT_NOTE, PF_R, note, note, 0, build_id.empty() ? 0 : note_size, note_size, 4});
  append(file, Elf64_Nhdr{4, static_cast<Elf64_Word>(build_id.size()), NT_GNU_BUILD_ID});
  file += std::string("GNU\0", 4) + build_id;
  file.resize(kPage, '\0');
  file += std::string(kPage, text) + std::string(kPage, 'd');
  return file;
}

// A core of a process that mapped `file`; only its first page was kept, if that.
CoreBuilder core_of(const std::string& file, const std::string& path, bool with_head = true) {
  CoreBuilder core;
  core.thread(71, 202);
  core.process(71);
  core.segments = {{kBase, with_head ? file.substr(0, kPage) : "", 2 * kPage, PF_R | PF_X},
                   {kBase + 2 * kPage, "", kPage, PF_R | PF_W}};
  core.files = {{kBase, kBase + 2 * kPage, 0, path}, {kBase + 2 * kPage, kBase + 3 * kPage, 2, path}};
  core.list_files();
  return core;
}

std::string read(Target& target, std::uint64_t address, std::size_t size) {
  std::string text(size, '?');
  auto count = target.read(RemoteAddr(address), std::as_writable_bytes(std::span(text)));
  return text.substr(0, count.value_or(0));
}

std::unique_ptr<Target> open(const TemporaryFile& core, const std::string& executable = "",
                             const std::string& sysroot = "") {
  auto target = open_core({core.path(), executable, sysroot});
  EXPECT_TRUE(target.ok()) << target.error().message;
  return target.ok() ? std::move(*target) : nullptr;
}

TEST(CoreTarget, ReadOnlyPagesComeFromTheFileWithTheSameBuildId) {
  const TemporaryFile file(library("one-two-three-four-5"));
  const TemporaryFile core(core_of(library("one-two-three-four-5"), file.path()).build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "ttt");
  EXPECT_EQ(read(*target, kBase + kPage - 2, 4), std::string("\0\0tt", 4)) << "from the core, then from the file";
  EXPECT_EQ(read(*target, kBase + 2 * kPage, 3), "") << "what is writable has changed since";
  EXPECT_EQ(read(*target, kBase + 2 * kPage - 2, 4), "tt");
  EXPECT_TRUE(target->flaws().empty());
}

TEST(CoreTarget, AnotherBuildOfTheFileIsNotBelieved) {
  const TemporaryFile file(library("another-build-id-...", 'X'));
  const TemporaryFile core(core_of(library("one-two-three-four-5"), file.path()).build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "");
  const auto flaws = target->flaws();
  ASSERT_EQ(flaws.size(), 1u);
  EXPECT_THAT(flaws[0].what, testing::HasSubstr(file.path()));
  EXPECT_THAT(flaws[0].why, testing::HasSubstr("another build"));
}

TEST(CoreTarget, NorOneThatHasNoBuildIdWhereTheCoreHas) {
  const TemporaryFile file(library(""));
  const TemporaryFile core(core_of(library("one-two-three-four-5"), file.path()).build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "");
}

TEST(CoreTarget, AbsentFilesAreNamed) {
  const TemporaryFile core(core_of(library("one-two-three-four-5"), "/nowhere/libx.so").build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  const auto modules = target->modules();
  ASSERT_TRUE(modules.ok());
  ASSERT_EQ(modules->size(), 1u);
  EXPECT_EQ(modules->front().path, "/nowhere/libx.so");
  EXPECT_EQ(modules->front().open_path, "");
  ASSERT_EQ(target->flaws().size(), 1u);
  EXPECT_THAT(target->flaws()[0].why, testing::HasSubstr("not here"));
}

TEST(CoreTarget, WithoutTheFilesThatHaveCPythonItIsSaidWhichAndHowToNameThem) {
  const TemporaryFile file(library("another-build-id-..."));
  auto builder = core_of(library("one-two-three-four-5"), "/nowhere/bin/python3.11");
  builder.entry(kBase + 0x10);
  const TemporaryFile core(builder.build());
  auto target = open(core);
  ASSERT_TRUE(target);
  auto runtime = cpython::find_runtime(*target);
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.error().kind, ErrorKind::not_python);
  const std::string wanted = "/nowhere/bin/python3.11 (build id 6f6e652d74776f2d74687265652d666f75722d35)";
  EXPECT_EQ(runtime.error().message,
            "the core (python3.11) has no CPython runtime in what is here of it; " + wanted +
                " is not here: name the right files with --exe (for the executable) or --sysroot");

  target = open(core, file.path());
  ASSERT_TRUE(target);
  runtime = cpython::find_runtime(*target);
  ASSERT_FALSE(runtime.ok());
  EXPECT_THAT(runtime.error().message,
              testing::HasSubstr(wanted + " is another build than " + file.path() + " (build id 616e6f74686572"));
}

TEST(CoreTarget, NorIsItSaidOnlyThatAConstantOfThoseFilesIsNotInTheCore) {
  class WithoutFiles final : public test::FakeTarget {
    std::string missing_files() override { return "/nowhere/python3.11 is not here: name it"; }
  } target;
  target.set_kind(TargetKind::core);
  Module module;
  module.path = "/nowhere/python3.11";
  target.add_module(module);
  target.add_symbol(module.path, "_PyRuntime", RemoteAddr(0xa0000));
  target.add_symbol(module.path, "Py_Version", RemoteAddr(0xb0000));
  const auto runtime = cpython::find_runtime(target);
  ASSERT_FALSE(runtime.ok());
  EXPECT_EQ(runtime.error().kind, ErrorKind::unreadable);
  EXPECT_THAT(runtime.error().message, testing::EndsWith("; /nowhere/python3.11 is not here: name it"));
}

TEST(CoreTarget, OfMissingFilesThoseThatMayHaveCPythonComeFirst) {
  CoreBuilder builder;
  builder.thread(71, 202);
  for (const auto& [base, path] :
       {std::pair(kBase, "/nowhere/liba.so"), std::pair(2 * kBase, "/nowhere/libpython3.12.so.1.0")}) {
    builder.segments.push_back({base, library("one").substr(0, kPage), 2 * kPage, PF_R | PF_X});
    builder.files.push_back({base, base + 2 * kPage, 0, path});
  }
  builder.list_files();
  builder.entry(kBase / 2);
  const TemporaryFile core(builder.build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  EXPECT_THAT(target->missing_files(),
              testing::StartsWith("/nowhere/libpython3.12.so.1.0 (build id 6f6e65) is not here, "
                                  "/nowhere/liba.so (build id 6f6e65) is not here: name"));
}

TEST(CoreTarget, ExecutableAndSysrootSayWhereFilesAre) {
  const TemporaryFile file(library("one-two-three-four-5"));
  auto builder = core_of(library("one-two-three-four-5"), "/nowhere/python3");
  builder.entry(kBase + 0x10);
  const TemporaryFile core(builder.build());
  const auto named = open(core, file.path());
  ASSERT_TRUE(named);
  EXPECT_EQ(read(*named, kBase + kPage, 3), "ttt");

  const std::string root = testing::TempDir() + "hang_sysroot_" + std::to_string(getpid());
  std::filesystem::create_directories(root + "/nowhere");
  std::filesystem::copy_file(file.path(), root + "/nowhere/python3");
  const auto rooted = open(core, "", root);
  ASSERT_TRUE(rooted);
  EXPECT_EQ(read(*rooted, kBase + kPage, 3), "ttt");
  std::filesystem::remove_all(root);
}

TEST(CoreTarget, DebuginfodsCacheIsLookedInto) {
  const std::string cache = testing::TempDir() + "hang_debuginfod_" + std::to_string(getpid());
  const std::string id = "6f6e65";  // "one"
  std::filesystem::create_directories(cache + "/" + id);
  std::ofstream(cache + "/" + id + "/executable", std::ios::binary) << library("one");
  setenv("DEBUGINFOD_CACHE_PATH", cache.c_str(), 1);
  const TemporaryFile core(core_of(library("one"), "/nowhere/libx.so").build());
  const auto target = open(core);
  unsetenv("DEBUGINFOD_CACHE_PATH");
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "ttt");
  std::filesystem::remove_all(cache);
}

TEST(CoreTarget, WithoutTheFirstPageALayoutThatFitsIsTakenAndSaid) {
  const TemporaryFile file(library("one-two-three-four-5"));
  const TemporaryFile core(core_of(library("one-two-three-four-5"), file.path(), false).build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  EXPECT_EQ(read(*target, kBase + kPage, 3), "ttt");
  ASSERT_EQ(target->flaws().size(), 1u);
  EXPECT_THAT(target->flaws()[0].why, testing::HasSubstr("build id"));
}

TEST(CoreTarget, CutOffIsSaid) {
  CoreBuilder builder;
  builder.thread(71, 202);
  builder.segments = {{0x10000, std::string(4096, 'a')}};
  const std::string bytes = builder.build();
  const TemporaryFile core(bytes.substr(0, bytes.size() - 100));
  const auto target = open(core);
  ASSERT_TRUE(target);
  ASSERT_EQ(target->flaws().size(), 1u);
  EXPECT_THAT(target->flaws()[0].why, testing::HasSubstr("100 bytes"));
}

// pause() as glibc 2.41 and later make it in a process with threads: the number is pushed, and no register keeps it
// (nptl/cancellation.c, sysdeps/unix/sysv/linux/x86_64/syscall_cancel.S).
asm(R"(
  .text
  .type hang_test_pause, @function
hang_test_pause:
  .cfi_startproc
  push $34
  .cfi_adjust_cfa_offset 8
  call 1f
  add $8, %rsp
  .cfi_adjust_cfa_offset -8
  ret
  .cfi_endproc
1:
  .cfi_startproc
  mov 8(%rsp), %rsi
  sub $0x18, %rsp
  .cfi_adjust_cfa_offset 24
  call 2f
  add $0x18, %rsp
  .cfi_adjust_cfa_offset -24
  ret
  .cfi_endproc
2:
  .cfi_startproc
  mov %rsi, %rax
  mov %r11, 8(%rsp)
  syscall
  ret
  .cfi_endproc
)");
extern "C" void hang_test_pause();

// Stopped where it has just made that call.
class Pausing {
 public:
  Pausing() : pid_(fork()) {
    if (pid_ == 0) {
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      raise(SIGSTOP);
      hang_test_pause();
      _exit(0);
    }
    user_regs_struct regs{};
    for (int status = 0; waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status) && regs.orig_rax != SYS_pause;) {
      ptrace(PTRACE_GETREGS, pid_, nullptr, &regs);
      if (regs.orig_rax == SYS_pause) break;
      ptrace(PTRACE_SYSCALL, pid_, nullptr, nullptr);
    }
  }
  Pausing(const Pausing&) = delete;
  Pausing& operator=(const Pausing&) = delete;
  ~Pausing() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] std::uint64_t pid() const { return static_cast<std::uint64_t>(pid_); }

 private:
  pid_t pid_;
};

// Its core with the registers of a thread that goes on with the call after a stop.
std::string restarted(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {}), head;
  append(head, Elf64_Nhdr{5, sizeof(prstatus_t), NT_PRSTATUS});
  const auto note = bytes.find(head);
  if (note == bytes.npos) return "";
  const auto regs = note + sizeof(Elf64_Nhdr) + 8 + offsetof(prstatus_t, pr_reg);
  const std::int64_t number = SYS_restart_syscall, result = -516;  // ERESTART_RESTARTBLOCK
  std::memcpy(bytes.data() + regs + offsetof(user_regs_struct, orig_rax), &number, sizeof number);
  std::memcpy(bytes.data() + regs + offsetof(user_regs_struct, rax), &result, sizeof result);
  return bytes;
}

TEST(CoreTarget, TheNumberOfARestartedCallIsOnTheStack) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "its child has AddressSanitizer's shadow, and a core of that has terabytes";
#endif
  const Pausing process;
  const TemporaryFile written;
  const auto done = write_core(process.pid(), written.path());
  ASSERT_TRUE(done.ok()) << done.error().message;
  const TemporaryFile core(restarted(written.path()));
  const auto target = open(core);
  ASSERT_TRUE(target);
  const auto threads = target->threads();
  ASSERT_TRUE(threads.ok());
  ASSERT_EQ(threads->size(), 1u);
  EXPECT_EQ(threads->front().registers->syscall, SYS_pause);
}

TEST(CoreTarget, ThreadsAreFoundByTheNumbersThatTheyAreGiven) {
  CoreBuilder builder;
  builder.thread(3, 202);
  const TemporaryFile core(builder.build());
  const auto target = open(core);
  ASSERT_TRUE(target);
  target->renumber_threads({{3, 71}, {4, 72}});
  const auto threads = target->threads();
  ASSERT_TRUE(threads.ok());
  EXPECT_EQ(threads->front().tid, 71u);
  const auto why = [&](std::uint64_t tid) { return target->native_stack(tid).error().message; };
  EXPECT_THAT(why(3), testing::HasSubstr("no registers of thread 3"));
  EXPECT_THAT(why(71), testing::HasSubstr("libdw")) << "no module to walk by, but the thread is there";
}

}  // namespace
}  // namespace hang::core
