// MemoryMap: /proc/PID/maps as mappings, and the ELF modules among them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "target/target.h"

namespace hang::native {

// One line of /proc/PID/maps (Documentation/filesystems/proc.rst).
struct Mapping {
  std::uint64_t begin = 0, end = 0, offset = 0;
  std::uint64_t inode = 0;
  bool readable = false, writable = false, executable = false;
  std::string path;  // "" if anonymous; "[heap]" and the like too
  // "7f12-7f34" as the kernel names the mapping in /proc/PID/map_files
  std::string range;

  [[nodiscard]] bool file_backed() const { return inode != 0 && !path.empty() && path.front() == '/'; }
};

// Lines that do not parse are left out. Bounded by the size of `text`.
std::vector<Mapping> parse_maps(std::string_view text);

// A module and the mapping of its file's first page.
struct MappedModule {
  Module module;  // open_path is left empty
  Mapping head;
};

// Bytes kept of a module's first page: the ELF header and 17 program headers.
inline constexpr std::size_t kHeadBytes = 1024;

// Groups mappings into modules. A module is a mapping of offset 0 whose bytes are an ELF header, with the span that its
// program headers give; it counts only if the file is mapped executable within that span, so that an ELF file that is
// merely being read (mmap of a library by an ELF parser) is no module. `heads[i]` are the first bytes of mappings[i],
// empty if they are not needed or not readable.
std::vector<MappedModule> group_modules(const std::vector<Mapping>& mappings,
                                        const std::vector<std::vector<std::byte>>& heads);

// True if the head of this mapping is wanted by group_modules.
bool may_begin_module(const Mapping& mapping);

}  // namespace hang::native
