// The parts of the LLDB host that need no LLDB: pages, the registers in core notes, LLDB's version.
#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>
#include <vector>

#include "hosts/lldb/core_registers.h"
#include "hosts/lldb/page_cache.h"
#include "hosts/lldb/version.h"

namespace hang::lldb_host {
namespace {

constexpr std::uint64_t kPage = PageCache::kPage;

// Memory at [kPage, end), every byte its address; counts the pages asked for.
struct Memory {
  std::uint64_t end = 0;
  std::vector<std::uint64_t> fetched;

  PageCache cache() {
    return PageCache([this](RemoteAddr page, std::span<std::byte> out) -> Result<std::size_t> {
      fetched.push_back(page.raw());
      std::size_t count = 0;
      for (; count < out.size() && page.raw() >= kPage && page.raw() + count < end; ++count)
        out[count] = static_cast<std::byte>(page.raw() + count);
      return count;
    });
  }
};

TEST(PageCacheTest, ReadsAcrossPagesAndFetchesEachOnce) {
  Memory memory{.end = 4 * kPage, .fetched = {}};
  auto cache = memory.cache();
  std::vector<std::byte> out(2 * kPage);
  auto count = cache.read(RemoteAddr(kPage + 100), out);
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(*count, out.size());
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i], static_cast<std::byte>(kPage + 100 + i));
  ASSERT_TRUE(cache.read(RemoteAddr(2 * kPage), std::span(out).first(8)).ok());
  EXPECT_THAT(memory.fetched, ::testing::ElementsAre(kPage, 2 * kPage, 3 * kPage));
}

TEST(PageCacheTest, CountsWhatIsThereAndNeverInventsTheRest) {
  Memory memory{.end = 2 * kPage + 10, .fetched = {}};
  auto cache = memory.cache();
  std::vector<std::byte> out(64, std::byte{0xee});
  auto count = cache.read(RemoteAddr(2 * kPage - 6), out);
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(*count, 16u);
  EXPECT_EQ(out[16], std::byte{0xee});
  for (std::uint64_t absent : {std::uint64_t{0}, 2 * kPage + 10, 3 * kPage, ~std::uint64_t{0} - 3}) {
    auto none = cache.read(RemoteAddr(absent), out);
    ASSERT_FALSE(none.ok()) << absent;
    EXPECT_EQ(none.error().kind, ErrorKind::unreadable);
    EXPECT_EQ(none.error().address, RemoteAddr(absent));
  }
}

TEST(PageCacheTest, PassesOnThatTheProcessEnded) {
  PageCache cache([](RemoteAddr, std::span<std::byte>) -> Result<std::size_t> {
    return Error{ErrorKind::no_such_process, "ended"};
  });
  std::byte byte;
  auto read = cache.read(RemoteAddr(kPage), std::span(&byte, 1));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind, ErrorKind::no_such_process);
}

template <typename T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_status(std::string& notes, int tid, std::int64_t syscall, std::uint64_t first_argument) {
  prstatus_t status{};
  user_regs_struct regs{};
  regs.orig_rax = static_cast<unsigned long long>(syscall);
  regs.rdi = first_argument;
  regs.rip = 0x1000u + static_cast<unsigned>(tid);
  status.pr_pid = tid;
  std::memcpy(&status.pr_reg, &regs, sizeof regs);
  append(notes, Elf64_Nhdr{5, sizeof status, NT_PRSTATUS});
  notes.append("CORE\0\0\0", 8);
  append(notes, status);
}

std::string core_of(const std::string& notes) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_CORE;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = notes.size();
  std::string core;
  append(core, header);
  append(core, segment);
  return core + notes;
}

class CoreRegisters : public ::testing::Test {
 protected:
  CoreRegisters() {
    char name[] = "/tmp/hang-core-XXXXXX";
    close(mkstemp(name));
    path_ = name;
  }
  ~CoreRegisters() override { std::filesystem::remove(path_); }
  auto read(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return read_core_registers(path_);
  }
  std::string path_;
};

TEST_F(CoreRegisters, SaysWhatEachThreadAskedOfTheKernel) {
  std::string notes;
  append_status(notes, 71, 202, 0x7f0000001000);  // futex
  append_status(notes, 72, -1, 5);                // user mode
  append_status(notes, 73, -239, 5);              // an interrupt leaves the complement of its vector
  auto registers = read(core_of(notes));
  ASSERT_TRUE(registers.ok()) << registers.error().message;
  ASSERT_EQ(registers->size(), 3u);
  EXPECT_EQ(registers->at(71).syscall, 202);
  EXPECT_EQ(registers->at(71).args[0], 0x7f0000001000u);
  EXPECT_EQ(registers->at(71).pc, 0x1000u + 71);
  EXPECT_EQ(registers->at(72).syscall, -1);
  EXPECT_EQ(registers->at(73).syscall, -1);
}

TEST_F(CoreRegisters, SurvivesTruncation) {
  std::string notes;
  append_status(notes, 71, 202, 1);
  append_status(notes, 72, 232, 1);
  const std::string core = core_of(notes);
  for (std::size_t size = 0; size < core.size(); size += 7) {
    auto registers = read(core.substr(0, size));
    if (registers.ok()) {
      EXPECT_TRUE(registers->empty()) << size;
    }
  }
  EXPECT_EQ(read(core)->size(), 2u);
}

TEST_F(CoreRegisters, RefusesOtherFiles) {
  EXPECT_EQ(read_core_registers("/nowhere").error().kind, ErrorKind::io);
  EXPECT_EQ(read_core_registers("/proc/self/exe").error().kind, ErrorKind::io);
  EXPECT_EQ(read("no core").error().kind, ErrorKind::io);
}

TEST(Version, IsReadFromLldbsOwnWords) {
  EXPECT_EQ(major_version("lldb version 22.1.8"), 22);
  EXPECT_EQ(major_version("lldb version 14.0.6\n  clang revision"), 14);
  EXPECT_EQ(major_version("lldb version 23.0.0git (https://github.com/llvm/llvm-project)"), 23);
  EXPECT_EQ(major_version("Debian lldb version 9.0.1"), 9);
  EXPECT_EQ(major_version("lldb-1600.0.36.3"), std::nullopt);
  EXPECT_EQ(major_version("lldb version 99999999999999999999"), std::nullopt);
  EXPECT_EQ(major_version("lldb version "), std::nullopt);
  EXPECT_EQ(major_version(""), std::nullopt);
}

}  // namespace
}  // namespace hang::lldb_host
