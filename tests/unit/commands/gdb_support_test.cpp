// The parts of the GDB host that read what GDB says.
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hosts/gdb/debugger.h"
#include "hosts/gdb/mappings.h"

namespace hang::gdb_host {
namespace {

TEST(InfoTarget, NamesTheCore) {
  EXPECT_EQ(core_in_target_info("Symbols from \"/usr/bin/python3.11\".\nLocal core dump file:\n"
                                "\t`/tmp/a core's own', file type elf64-x86-64.\n\t0x1 - 0x2 is load1\n"
                                "Local exec file:\n\t`/usr/bin/python3.11', file type elf64-x86-64.\n"),
            "/tmp/a core's own");
  EXPECT_EQ(core_in_target_info("Local exec file:\n\t`/usr/bin/python3.11', file type elf64-x86-64.\n"), "");
  EXPECT_EQ(core_in_target_info(""), "");
}

TEST(InfoSymbol, IsNameAndOffset) {
  auto symbol = parse_symbol("take_gil.lto_priv.0 + 17 in section .text of /usr/lib/libpython3.12.so.1.0\n", 0x1000);
  ASSERT_TRUE(symbol.ok());
  EXPECT_EQ(symbol->name, "take_gil.lto_priv.0");
  EXPECT_EQ(symbol->offset, 17u);
  symbol = parse_symbol("std::operator + <char>(char const*) + 3 in section .text\n", 0x1000);
  ASSERT_TRUE(symbol.ok());
  EXPECT_EQ(symbol->name, "std::operator + <char>(char const*)");
  symbol = parse_symbol("main in section .text\n", 0x1000);
  ASSERT_TRUE(symbol.ok());
  EXPECT_EQ(symbol->offset, 0u);
  for (const char* text : {"No symbol matches 0x1000.\n", "", " in section .text",
                           "a + 99999999999999999999 in section .t", "a + x in section .text"})
    EXPECT_FALSE(parse_symbol(text, 0x1000).ok()) << text;
}

// GDB 13's table.
constexpr const char* kMappings = R"(process 27446
Mapped address spaces:

          Start Addr           End Addr       Size     Offset  Perms  objfile
      0x55c25e9ca000     0x55c25e9cb000     0x1000        0x0  r--p   /opt/my python/bin/python3.11
      0x55c25e9cb000     0x55c25e9cc000     0x1000     0x1000  r-xp   /opt/my python/bin/python3.11
      0x55c26099d000     0x55c260bb1000   0x214000        0x0  rw-p   [heap]
      0x7f5479f12000     0x7f547a045000   0x133000        0x0  rw-p   
      0x7f547a057000     0x7f547a056000     0x3000        0x0  r--p   /backwards
)";

TEST(InfoProcMappings, IsATableOfMappings) {
  const auto mappings = parse_mappings(kMappings);
  ASSERT_EQ(mappings.size(), 4u);
  EXPECT_EQ(mappings[0].begin, 0x55c25e9ca000u);
  EXPECT_EQ(mappings[0].path, "/opt/my python/bin/python3.11");
  EXPECT_TRUE(mappings[0].file_backed());
  EXPECT_EQ(mappings[0].inode, mappings[1].inode);
  EXPECT_TRUE(mappings[1].executable);
  EXPECT_FALSE(mappings[1].writable);
  EXPECT_EQ(mappings[1].offset, 0x1000u);
  EXPECT_FALSE(mappings[2].file_backed());
  EXPECT_EQ(mappings[3].path, "");
}

// A file is believed to be the mapped one by its first bytes in memory.
TEST(Modules, AreOpenedOnlyWhereTheFileIsTheOneInMemory) {
  auto self = ElfFile::open("/proc/self/exe");
  ASSERT_TRUE(self.ok());
  const auto last = (*self)->segments().back();
  const std::uint64_t base = 0x10000000, end = base + last.address + last.memory_size + 0x1000;
  const std::string path = "/proc/self/exe";
  std::vector<native::Mapping> mappings;
  for (const auto& segment : (*self)->segments()) {
    native::Mapping mapping;
    mapping.begin = base + (segment.address & ~std::uint64_t{0xfff});
    mapping.end = std::min(end, base + segment.address + segment.memory_size);
    mapping.offset = segment.offset & ~std::uint64_t{0xfff};
    mapping.inode = 1;
    mapping.readable = true;
    mapping.executable = segment.executable;
    mapping.path = path;
    mappings.push_back(mapping);
  }
  bool changed = false;
  const auto read = [&](std::uint64_t address, std::span<std::byte> out) -> std::size_t {
    if (address < base || !(*self)->read(address - base, out)) return 0;
    if (changed) out[out.size() - 1] ^= std::byte{1};
    return out.size();
  };
  auto modules = modules_of(mappings, read, "");
  ASSERT_EQ(modules.size(), 1u);
  EXPECT_EQ(modules[0].load_bias, RemoteAddr(base));
  EXPECT_EQ(modules[0].open_path, path);
  EXPECT_EQ(modules_of(mappings, read, "/nonexistent").at(0).open_path, "");
  changed = true;
  EXPECT_EQ(modules_of(mappings, read, "").at(0).open_path, "");
}

}  // namespace
}  // namespace hang::gdb_host
