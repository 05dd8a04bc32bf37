// ELF cores, whole and broken: what is there is read, what is not is said to be absent, and nothing is believed.
#include "hosts/core/core_file.h"

#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core_builder.h"

namespace hang::core {
namespace {

using test::append;
using test::CoreBuilder;
using test::TemporaryFile;
using testing::HasSubstr;

std::span<std::byte> bytes_of(std::string& text) {
  return std::as_writable_bytes(std::span(text));
}

std::string read(const CoreFile& core, std::uint64_t address, std::size_t size) {
  std::string text(size, '?');
  text.resize(core.read(address, bytes_of(text)));
  return text;
}

// A process with two threads and two segments, of the second of which only the first page was kept.
CoreBuilder two_threads() {
  CoreBuilder core;
  core.thread(71, 202, 0x7f0000001000);
  core.process(71);
  core.thread(72, -1, 5);
  core.segments = {{0x10000, "first page" + std::string(4086, 'a'), 0, PF_R | PF_W},
                   {0x20000, std::string(4096, 'b'), 0x3000, PF_R | PF_X}};
  core.files = {{0x20000, 0x23000, 0, "/usr/lib/libx.so"}};
  core.list_files();
  core.entry(0x20100);
  return core;
}

// Of a file that is only in memory: these tests try thousands.
Result<std::unique_ptr<CoreFile>> open_bytes(const std::string& bytes) {
  const int fd = memfd_create("core", MFD_CLOEXEC);
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return CoreFile::open_fd(fd, "core");
}

std::string refusal(const std::string& bytes) {
  const TemporaryFile file(bytes);
  auto core = CoreFile::open(file.path());
  if (core) return "accepted";
  EXPECT_EQ(core.error().kind, ErrorKind::io);
  return core.error().message;
}

TEST(CoreFile, TellsThreadsRegistersAndFiles) {
  const TemporaryFile file(two_threads().build());
  auto core = CoreFile::open(file.path());
  ASSERT_TRUE(core.ok()) << core.error().message;
  const auto& notes = (*core)->notes();
  EXPECT_EQ(notes.pid, 71u);
  EXPECT_EQ(notes.entry, 0x20100u);
  ASSERT_EQ(notes.threads.size(), 2u);
  EXPECT_EQ(notes.threads[0].tid, 71u);
  EXPECT_EQ(notes.threads[0].registers->syscall, 202);
  EXPECT_EQ(notes.threads[0].registers->args[0], 0x7f0000001000u);
  EXPECT_EQ(notes.threads[0].registers->pc, 0x1000u + 71);
  EXPECT_EQ(notes.threads[1].registers->syscall, -1);
  ASSERT_EQ(notes.files.size(), 1u);
  EXPECT_EQ(notes.files[0].path, "/usr/lib/libx.so");
  EXPECT_FALSE(notes.incomplete);
  EXPECT_EQ((*core)->flaws().missing, 0u);
}

TEST(CoreFile, AnInterruptIsNoSystemCall) {
  CoreBuilder builder;
  builder.thread(73, -239, 5);  // an interrupt leaves the complement of its vector
  const TemporaryFile file(builder.build());
  auto core = CoreFile::open(file.path());
  ASSERT_TRUE(core.ok());
  EXPECT_EQ((*core)->notes().threads[0].registers->syscall, -1);
}

TEST(CoreFile, WhatTheCoreLeavesOutIsAbsentAndNotZero) {
  const TemporaryFile file(two_threads().build());
  auto core = CoreFile::open(file.path());
  ASSERT_TRUE(core.ok());
  EXPECT_EQ(read(**core, 0x10000, 10), "first page");
  EXPECT_EQ(read(**core, 0x10ffe, 8), "aa") << "the segment ends there";
  EXPECT_EQ(read(**core, 0x20ffe, 8), "bb") << "only its first page was kept";
  for (const std::uint64_t absent : {0x0ull, 0xffffull, 0x11000ull, 0x21000ull, 0x22fffull, 0x23000ull, ~0ull})
    EXPECT_EQ(read(**core, absent, 8), "") << std::hex << absent;
}

TEST(CoreFile, OnlyTheKernelsZeroMeansThatNoSignalIsHeld) {
  CoreBuilder kernel, debugger;
  kernel.thread(71, 202, 0, 0);
  kernel.process(71);
  debugger.process(71);
  debugger.thread(71, 202, 0, 0);
  debugger.thread(72, 202, 0, 2);
  const TemporaryFile by_kernel(kernel.build()), by_debugger(debugger.build());
  auto first = CoreFile::open(by_kernel.path()), second = CoreFile::open(by_debugger.path());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->notes().threads[0].blocked_signals, 0u);
  EXPECT_EQ((*first)->notes().process.parent, 7);
  EXPECT_EQ((*second)->notes().threads[0].blocked_signals, std::nullopt);
  EXPECT_EQ((*second)->notes().threads[1].blocked_signals, 2u);
  EXPECT_EQ((*second)->notes().process.parent, std::nullopt);
}

TEST(CoreFile, RefusesWhatIsNoCoreAndSaysWhy) {
  EXPECT_THAT(refusal(""), HasSubstr("empty"));
  EXPECT_THAT(refusal("\x7f"
                      "ELF"),
              HasSubstr("cut off"));
  EXPECT_THAT(refusal(std::string(4096, 'x')), HasSubstr("not an ELF file"));
  std::string other;
  append(other, test::elf_header(ET_DYN, 0));
  EXPECT_THAT(refusal(other), HasSubstr("not a core"));
  auto header = test::elf_header(ET_CORE, 0);
  header.e_machine = EM_AARCH64;
  other.clear();
  append(other, header);
  EXPECT_THAT(refusal(other), HasSubstr("another machine"));
  header = test::elf_header(ET_CORE, 0);
  header.e_ident[EI_CLASS] = ELFCLASS32;
  other.clear();
  append(other, header);
  EXPECT_THAT(refusal(other), HasSubstr("32-bit"));
  EXPECT_THAT(refusal(CoreBuilder{}.build()), HasSubstr("no notes of threads"));
  EXPECT_FALSE(CoreFile::open("/nowhere").ok());
  EXPECT_FALSE(CoreFile::open("/tmp").ok());
  const std::string fifo = testing::TempDir() + "hang_core_fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(CoreFile::open(fifo).ok()) << "and does not wait for a writer";
  std::filesystem::remove(fifo);
}

TEST(CoreFile, CutAtAnyByteIsRefusedOrSaysWhatIsMissing) {
  const std::string whole = two_threads().build();
  int accepted = 0;
  for (std::size_t size = 0; size < whole.size(); size += size < 2048 ? 1 : 37) {
    auto core = open_bytes(whole.substr(0, size));
    if (!core) continue;
    ++accepted;
    EXPECT_GT((*core)->flaws().missing, 0u) << size;
    const std::string first = read(**core, 0x10000, 4096);
    EXPECT_EQ(first, ("first page" + std::string(4086, 'a')).substr(0, first.size())) << size;
  }
  EXPECT_GT(accepted, 100);
}

// One byte of the headers and notes at a time: an answer or a refusal, within the file.
TEST(CoreFile, AnyByteMayLie) {
  const std::string whole = two_threads().build();
  for (std::size_t at = 0; at < std::min<std::size_t>(whole.size(), 1700); ++at) {
    for (const char value : {'\xff', '\x00', '\x80'}) {
      std::string bytes = whole;
      bytes[at] = value;
      auto core = open_bytes(bytes);
      if (!core) continue;
      for (const CoreSegment& segment : (*core)->segments()) {
        EXPECT_LE(segment.file_size, whole.size());
        EXPECT_LE(read(**core, segment.begin, 64).size(), 64u);
      }
    }
  }
}

TEST(CoreFile, NotesThatLieAboutTheirSizeEndTheNotes) {
  CoreBuilder builder;
  builder.thread(71, 202);
  std::string notes;
  append(notes, Elf64_Nhdr{5, 0xfffffff0, NT_PRSTATUS});
  builder.note(0x1234, notes);  // harmless
  std::string bytes = builder.build();
  const auto at = bytes.find(std::string("\x34\x12\0\0", 4));
  ASSERT_NE(at, std::string::npos);
  for (const std::uint32_t size : {0xffffffffu, 0x7fffffffu, 0x1000u}) {
    std::memcpy(&bytes[at - 4], &size, sizeof size);
    const TemporaryFile file(bytes);
    auto core = CoreFile::open(file.path());
    ASSERT_TRUE(core.ok()) << core.error().message;
    EXPECT_EQ((*core)->notes().threads.size(), 1u);
    EXPECT_TRUE((*core)->notes().incomplete);
  }
}

TEST(CoreFile, ListOfFilesThatLies) {
  for (const std::int64_t claimed : {std::int64_t{2}, std::int64_t{1000}, std::int64_t{1} << 60, INT64_MAX}) {
    CoreBuilder builder;
    builder.thread(71, 202);
    builder.files = {{0x20000, 0x23000, 0, "/usr/lib/libx.so"}};
    builder.list_files(claimed);
    const TemporaryFile file(builder.build());
    auto core = CoreFile::open(file.path());
    ASSERT_TRUE(core.ok());
    EXPECT_TRUE((*core)->notes().incomplete) << claimed;
  }
}

TEST(CoreFile, OverlappingSegmentsAreSaidAndTheFirstCounts) {
  CoreBuilder builder;
  builder.thread(71, 202);
  builder.segments = {{0x10000, std::string(0x1000, 'a')},
                      {0x10800, std::string(0x1000, 'b')},
                      {0x10900, std::string(0x10, 'c')},
                      {~0ull - 0xfff, std::string(0x2000, 'd')}};  // wraps around
  const TemporaryFile file(builder.build());
  auto core = CoreFile::open(file.path());
  ASSERT_TRUE(core.ok());
  EXPECT_TRUE((*core)->flaws().overlapping);
  EXPECT_EQ(read(**core, 0x10ffe, 4), "aabb");
  EXPECT_EQ((*core)->segments().size(), 2u);
}

TEST(CoreFile, MoreSegmentsThanTheHeaderCanCount) {
  CoreBuilder builder;
  builder.thread(71, 202);
  builder.segments = {{0x10000, std::string(16, 'a')}};
  std::string bytes = builder.build();
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.e_phnum = PN_XNUM;
  header.e_shoff = bytes.size();
  std::memcpy(bytes.data(), &header, sizeof header);
  EXPECT_NE(refusal(bytes), "accepted") << "the section that has the number is missing";
  Elf64_Shdr section{};
  section.sh_info = 2;
  std::string counted = bytes;
  append(counted, section);
  EXPECT_EQ(refusal(counted), "accepted");
  section.sh_info = 0xffffffff;
  append(bytes, section);
  EXPECT_THAT(refusal(bytes), HasSubstr("segments"));
}

TEST(CoreFile, TenGigabytesOfHolesCostNothing) {
  CoreBuilder builder;
  builder.thread(71, 202);
  builder.segments = {{0x10000, "x"}};
  std::string bytes = builder.build();
  constexpr std::uint64_t kSize = 10ull << 30;
  Elf64_Phdr load;
  const std::size_t at = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
  std::memcpy(&load, &bytes[at], sizeof load);
  load.p_filesz = load.p_memsz = kSize - bytes.size();
  std::memcpy(&bytes[at], &load, sizeof load);
  const TemporaryFile file(bytes);
  ASSERT_EQ(truncate(file.path().c_str(), kSize), 0);
  const auto begin = std::chrono::steady_clock::now();
  auto core = CoreFile::open(file.path());
  ASSERT_TRUE(core.ok()) << core.error().message;
  EXPECT_EQ(read(**core, 0x10000, 2), std::string("x\0", 2));
  EXPECT_EQ(read(**core, 0x10000 + (9ull << 30), 2), std::string(2, '\0'))
      << "a hole is zeros that the writer left out";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

}  // namespace
}  // namespace hang::core
