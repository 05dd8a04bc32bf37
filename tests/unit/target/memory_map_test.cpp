#include "hosts/native/memory_map.h"

#include <gtest/gtest.h>

#include "unit/target/elf_builder.h"

namespace hang::native {
namespace {

// The first bytes of an ELF file with the given PT_LOADs.
struct Load {
  std::uint64_t offset, address, size;
};
std::vector<std::byte> elf_head(const std::vector<Load>& loads) {
  std::vector<std::byte> head(kHeadBytes);
  auto bytes = test::ElfBuilder().build();
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.e_phnum = static_cast<Elf64_Half>(loads.size());
  std::memcpy(head.data(), &header, sizeof header);
  for (std::size_t i = 0; i < loads.size(); ++i) {
    Elf64_Phdr program{};
    program.p_type = PT_LOAD;
    program.p_offset = loads[i].offset;
    program.p_vaddr = loads[i].address;
    program.p_filesz = program.p_memsz = loads[i].size;
    std::memcpy(head.data() + header.e_phoff + i * sizeof program, &program, sizeof program);
  }
  return head;
}

TEST(ParseMaps, ReadsEveryKindOfLine) {
  const auto mappings = parse_maps(
      "00400000-0041f000 r--p 00000000 fe:00 12345                              /usr/bin/python3.11\n"
      "0041f000-0064c000 r-xp 0001f000 fe:00 12345                              /usr/bin/python3.11\n"
      "01a2b000-01b00000 rw-p 00000000 00:00 0                                  [heap]\n"
      "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n"
      "7f0000002000-7f0000003000 r--s 00001000 00:01 77                         /tmp/a b\\012c (deleted)\n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
  ASSERT_EQ(mappings.size(), 6U);
  EXPECT_EQ(mappings[0].range, "00400000-0041f000");
  EXPECT_EQ(mappings[0].inode, 12345U);
  EXPECT_FALSE(mappings[0].executable);
  EXPECT_TRUE(mappings[1].executable);
  EXPECT_EQ(mappings[1].offset, 0x1f000U);
  EXPECT_FALSE(mappings[2].file_backed());
  EXPECT_EQ(mappings[3].path, "");
  EXPECT_EQ(mappings[4].path, "/tmp/a b\nc (deleted)");
  EXPECT_TRUE(mappings[4].file_backed());
  EXPECT_EQ(mappings[5].begin, 0xffffffffff600000U);
}

TEST(ParseMaps, LeavesOutWhatDoesNotParse) {
  for (const char* line :
       {"", "\n\n", "zz-1000 r--p 0 0:0 1 /x", "1000-0 r--p 0 0:0 1 /x", "1000", "1000-2000", "1000-2000 r--p",
        "1000-2000 r--p 0", "1000-2000 r--p 0 00:00", "1000-2000 r", "11111111111111111111-2 r--p 0 0:0 1 /x"})
    EXPECT_TRUE(parse_maps(line).empty()) << line;
}

// maps text with the head of each mapping of offset 0.
std::vector<MappedModule> modules_of(std::string_view maps, const std::vector<std::byte>& head) {
  const auto mappings = parse_maps(maps);
  std::vector<std::vector<std::byte>> heads(mappings.size());
  for (std::size_t i = 0; i < mappings.size(); ++i)
    if (may_begin_module(mappings[i])) heads[i] = head;
  return group_modules(mappings, heads);
}

TEST(GroupModules, PositionIndependentFileIsBiasedByItsPlace) {
  const auto modules = modules_of(
      "7f0000000000-7f0000001000 r--p 00000000 fe:00 7 /lib/a.so\n"
      "7f0000001000-7f0000002000 r-xp 00001000 fe:00 7 /lib/a.so\n"
      "7f0000002000-7f0000003000 rw-p 00001000 fe:00 7 /lib/a.so\n",
      elf_head({{0, 0, 0x800}, {0x1000, 0x1000, 0x800}, {0x1800, 0x2800, 0x1800}}));
  ASSERT_EQ(modules.size(), 1U);
  EXPECT_EQ(modules[0].module.load_bias, RemoteAddr(0x7f0000000000));
  EXPECT_EQ(modules[0].module.begin, RemoteAddr(0x7f0000000000));
  EXPECT_EQ(modules[0].module.end, RemoteAddr(0x7f0000004000)) << ".bss is part of it";
}

TEST(GroupModules, FixedExecutableHasNoBias) {
  const auto modules = modules_of(
      "00400000-0041f000 r--p 00000000 fe:00 7 /usr/bin/python3.11\n"
      "0041f000-0064c000 r-xp 0001f000 fe:00 7 /usr/bin/python3.11\n",
      elf_head({{0, 0x400000, 0x1f000}, {0x1f000, 0x41f000, 0x22d000}}));
  ASSERT_EQ(modules.size(), 1U);
  EXPECT_EQ(modules[0].module.load_bias, RemoteAddr(0));
}

TEST(GroupModules, PrelinkedFileIsMovedByTheDifference) {
  const auto modules =
      modules_of("7f0000000000-7f0000001000 r-xp 00000000 fe:00 7 /lib/a.so\n", elf_head({{0, 0x3000000000, 0x1000}}));
  ASSERT_EQ(modules.size(), 1U);
  EXPECT_EQ(modules[0].module.load_bias.raw() + 0x3000000000, 0x7f0000000000U);
}

TEST(GroupModules, ElfFileThatIsOnlyReadIsNoModule) {
  const auto modules = modules_of(
      "7e0000000000-7e0000009000 r--p 00000000 fe:00 7 /lib/a.so\n"
      "7f0000000000-7f0000001000 r--p 00000000 fe:00 7 /lib/a.so\n"
      "7f0000001000-7f0000002000 r-xp 00001000 fe:00 7 /lib/a.so\n",
      elf_head({{0, 0, 0x1000}, {0x1000, 0x1000, 0x1000}}));
  ASSERT_EQ(modules.size(), 1U);
  EXPECT_EQ(modules[0].module.begin, RemoteAddr(0x7f0000000000));
}

TEST(GroupModules, TinyLibraryMapsItsFirstPageTwice) {
  const auto modules = modules_of(
      "7f0000000000-7f0000001000 r-xp 00000000 fe:00 7 /lib/a.so\n"
      "7f0000001000-7f0000002000 rw-p 00000000 fe:00 7 /lib/a.so\n",
      elf_head({{0, 0, 0x800}, {0x800, 0x1800, 0x100}}));
  EXPECT_EQ(modules.size(), 1U);
}

TEST(GroupModules, OneFileLoadedTwiceIsTwoModules) {
  const auto modules = modules_of(
      "7e0000000000-7e0000001000 r-xp 00000000 fe:00 7 /lib/a.so\n"
      "7f0000000000-7f0000001000 r-xp 00000000 fe:00 7 /lib/a.so\n",
      elf_head({{0, 0, 0x800}}));
  EXPECT_EQ(modules.size(), 2U);
}

TEST(GroupModules, ForgedSpanIsRefused) {
  const std::string_view maps = "7f0000000000-7f0000001000 r-xp 00000000 fe:00 7 /lib/a.so\n";
  EXPECT_TRUE(modules_of(maps, elf_head({{0, 0, UINT64_MAX}})).empty());
  EXPECT_TRUE(modules_of(maps, elf_head({{0, UINT64_MAX - 10, 0x1000}})).empty());
  EXPECT_TRUE(modules_of(maps, elf_head({{0, 0, 0x1000}, {0x1000, 1ULL << 50, 0x1000}})).empty());
  EXPECT_TRUE(modules_of(maps, std::vector<std::byte>(kHeadBytes)).empty());
  EXPECT_TRUE(modules_of(maps, {}).empty());
}

}  // namespace
}  // namespace hang::native
