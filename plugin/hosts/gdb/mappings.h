// Mappings: what `info proc mappings` says, and the modules among them, for a process that is not on this machine.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hosts/native/memory_map.h"
#include "target/elf_file.h"
#include "target/target.h"

namespace hang::gdb_host {

// Lines that do not parse are left out. GDB tells no inode numbers: equal paths are one file.
std::vector<native::Mapping> parse_mappings(std::string_view text);

// `open_path` is a file of this machine, below `sysroot`, if its first bytes are those in memory; else empty.
std::vector<Module> modules_of(const std::vector<native::Mapping>& mappings, const ElfFile::ReadMemory& read,
                               const std::string& sysroot);

}  // namespace hang::gdb_host
