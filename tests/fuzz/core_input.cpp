#include "fuzz/core_input.h"

#include <array>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

#include "hosts/core/core_file.h"
#include "hosts/core/core_modules.h"
#include "unit/core/core_builder.h"

namespace hang::test {

bool try_core(std::span<const std::uint8_t> bytes) {
  const int fd = memfd_create("core", MFD_CLOEXEC);
  if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return false;
  auto core = core::CoreFile::open_fd(fd, "core");
  if (!core) return false;
  std::array<std::byte, 64> out;
  for (const auto& segment : (*core)->segments())
    for (const std::uint64_t at : {segment.begin, segment.begin + segment.file_size - 1, segment.end - 1, segment.end})
      if ((*core)->read(at, out) > out.size()) std::abort();
  core::find_modules(**core, {"core", "", "/nowhere"});
  return true;
}

std::vector<std::string> core_seeds() {
  CoreBuilder plain, rich, overlapping;
  plain.thread(71, 202, 0x7f0000001000);
  rich.thread(71, 202, 0x7f0000001000, 2);
  rich.process(71);
  rich.thread(72, -1);
  rich.entry(0x20100);
  std::string library;
  append(library, elf_header(ET_DYN, 2));
  append(library, Elf64_Phdr{PT_LOAD, PF_R | PF_X, 0, 0, 0, 0x2000, 0x2000, 0x1000});
  append(library, Elf64_Phdr{PT_NOTE, PF_R, 0xb0, 0xb0, 0, 20, 20, 4});
  append(library, Elf64_Nhdr{4, 4, NT_GNU_BUILD_ID});
  library += std::string("GNU\0one!", 8);
  rich.segments = {{0x20000, library, 0x2000, PF_R | PF_X}, {0x30000, "memory", 0x1000}};
  rich.files = {{0x20000, 0x22000, 0, "/nowhere/libx.so"}, {0x22000, 0x23000, 2, "/nowhere/libx.so"}};
  rich.list_files();
  overlapping.thread(71, 1);
  overlapping.segments = {{0x10000, std::string(64, 'a')}, {0x10020, std::string(64, 'b')}};
  // A minidump with a thread, its registers, memory and a map.
  std::string dump;
  append(dump, std::array<std::uint32_t, 8>{0x504d444d, 0xa793, 4, 32, 0, 0, 0, 0});
  append(dump, std::array<std::uint32_t, 12>{7, 2, 80, 3, 52, 82, 9, 32, 134, 0x47670009, 50, 166});
  append(dump, std::uint16_t{9});
  append(dump, std::array<std::uint32_t, 13>{1, 71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 256, 0});
  append(dump, std::array<std::uint64_t, 4>{1, 216, 0x10000, 64});
  dump += "00010000-00011000 r-xp 00000000 08:01 42 /nowhere\n" + std::string(256, 'm');
  return {plain.build(), rich.build(), overlapping.build(), dump};
}

}  // namespace hang::test
