// Minidumps: LLDB's cores on Linux, made byte by byte.
#include <algorithm>
#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "core_builder.h"
#include "hosts/core/core_file.h"
#include "hosts/core/core_target.h"

namespace hang::core {
namespace {

using test::append;
using test::TemporaryFile;

constexpr std::uint64_t kCode = 0x7f0000001000;

// One thread behind `code`, which is mapped at kCode, with rax as given; its stack is right behind.
std::string minidump(const std::string& code, std::int64_t rax, std::uint16_t machine = 9,
                     const std::string& stack = "") {
  std::string streams, data;
  std::uint32_t count = 0;
  const std::uint32_t directory = 32, begin = directory + 5 * 12;
  const auto stream = [&](std::uint32_t type, const std::string& bytes) {
    append(streams, type);
    append(streams, static_cast<std::uint32_t>(bytes.size()));
    append(streams, static_cast<std::uint32_t>(begin + data.size()));
    data += bytes;
    ++count;
  };
  std::string system, misc, threads, context(0x78, '\0'), memory;
  append(system, machine);
  stream(7, system);
  append(misc, std::array<std::uint32_t, 3>{24, 1, 71});
  stream(15, misc);
  const std::uint64_t rdi = 5, rip = kCode + code.size();
  append(context, rax);
  context.resize(0x98, '\0');
  append(context, kCode + code.size());
  context.resize(0xb0, '\0');
  append(context, rdi);
  context.resize(0xf8, '\0');
  append(context, rip);
  const auto context_at = static_cast<std::uint32_t>(begin + data.size());
  data += context;
  append(threads, std::uint32_t{1});
  append(threads, std::array<std::uint32_t, 4>{71, 0, 0, 0});
  append(threads, std::array<std::uint64_t, 3>{});
  append(threads, std::array<std::uint32_t, 2>{static_cast<std::uint32_t>(context.size()), context_at});
  stream(3, threads);
  stream(0x47670009, "7f0000001000-7f0000002000 r-xp 00000000 08:01 42 /nowhere/libc.so\n");
  append(memory, std::array<std::uint64_t, 4>{1, begin + data.size() + 32, kCode, code.size() + stack.size()});
  stream(9, memory);
  std::string file;
  append(file, std::array<std::uint32_t, 8>{0x504d444d, 0xa793, count, directory, 0, 0, 0, 0});
  return file + streams + data + code + stack;
}

const std::string kFutexCall("\xb8\xca\0\0\0\x0f\x05", 7);  // mov $202, %eax; syscall

std::optional<ThreadRegisters> registers_of(const std::string& bytes) {
  const TemporaryFile file(bytes);
  auto target = open_core({file.path(), "", ""});
  EXPECT_TRUE(target.ok()) << target.error().message;
  auto threads = target ? (*target)->threads() : Result<std::vector<TargetThread>>(target.error());
  EXPECT_TRUE(threads.ok() && threads->size() == 1);
  return threads && threads->size() == 1 ? threads->front().registers : std::nullopt;
}

TEST(Minidump, TellsThreadsMemoryAndMap) {
  const TemporaryFile file(minidump(kFutexCall, -512));
  auto core = CoreFile::open(file.path());
  ASSERT_TRUE(core.ok()) << core.error().message;
  EXPECT_EQ((*core)->notes().pid, 71u);
  ASSERT_EQ((*core)->notes().threads.size(), 1u);
  EXPECT_EQ((*core)->notes().threads[0].tid, 71u);
  ASSERT_EQ((*core)->notes().files.size(), 1u);
  EXPECT_EQ((*core)->notes().files[0].path, "/nowhere/libc.so");
  ASSERT_EQ((*core)->segments().size(), 1u);
  EXPECT_FALSE((*core)->segments()[0].writable);
  std::string code(7, '?');
  EXPECT_EQ((*core)->read(kCode, std::as_writable_bytes(std::span(code))), 7u);
  EXPECT_EQ(code, kFutexCall);
}

TEST(Minidump, ASystemCallIsInferredFromTheInstructionThatMadeIt) {
  for (const std::int64_t restart : {-512, -513, -514, -516, -4}) {
    const auto registers = registers_of(minidump(kFutexCall, restart));
    ASSERT_TRUE(registers);
    EXPECT_TRUE(registers->syscall_known) << restart;
    EXPECT_EQ(registers->syscall, 202);
    EXPECT_EQ(registers->args[0], 5u);
  }
}

// glibc 2.41 and later, in a process with one thread: mov 0x20(%rsp), %rax; syscall
TEST(Minidump, OrFromTheStackThatItWasLoadedFrom) {
  const std::string call("\x48\x8b\x44\x24\x20\x0f\x05", 7);
  std::string stack(0x20, '\0');
  append(stack, std::uint64_t{7});
  const auto registers = registers_of(minidump(call, -516, 9, stack));
  ASSERT_TRUE(registers);
  EXPECT_TRUE(registers->syscall_known);
  EXPECT_EQ(registers->syscall, 7);
  EXPECT_FALSE(registers_of(minidump(call, 0, 9, stack))->syscall_known) << "it has returned";
  EXPECT_FALSE(registers_of(minidump(call, -516, 9, stack.substr(0, 0x20)))->syscall_known);
  append(stack.replace(0x20, 8, ""), std::uint64_t{0x7f0000000000});
  EXPECT_FALSE(registers_of(minidump(call, -516, 9, stack))->syscall_known) << "no number of a system call";
}

TEST(Minidump, AndFromNothingElse) {
  const std::string other("\x90\x90\x90\x90\x90\x0f\x05", 7), no_call("\xb8\xca\0\0\0\x90\x90", 7);
  for (const auto& bytes : {minidump(kFutexCall, 0), minidump(kFutexCall, 202), minidump(other, -512),
                            minidump(no_call, -512), minidump(kFutexCall.substr(1), -512)}) {
    const auto registers = registers_of(bytes);
    ASSERT_TRUE(registers);
    EXPECT_FALSE(registers->syscall_known);
  }
}

TEST(Minidump, OfAnotherMachineIsRefused) {
  const TemporaryFile file(minidump(kFutexCall, 0, 12));
  auto core = CoreFile::open(file.path());
  ASSERT_FALSE(core.ok());
  EXPECT_THAT(core.error().message, testing::HasSubstr("another machine"));
}

TEST(Minidump, CutAndChangedAnywhereIsNoCrash) {
  const std::string whole = minidump(kFutexCall, -512);
  const auto attempt = [](const std::string& bytes) {
    const int fd = memfd_create("core", MFD_CLOEXEC);
    ASSERT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    auto core = CoreFile::open_fd(fd, "core");
    if (!core) return;
    for (const auto& segment : (*core)->segments()) EXPECT_LE(segment.file_size, bytes.size());
  };
  for (std::size_t size = 0; size < whole.size(); ++size) attempt(whole.substr(0, size));
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string changed = whole;
      changed[at] = value;
      attempt(changed);
    }
}

}  // namespace
}  // namespace hang::core
