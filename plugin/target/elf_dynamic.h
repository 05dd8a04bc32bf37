// The dynamic symbols of an ELF file without section headers, and the file that a module's memory makes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <elf.h>
#include <span>
#include <vector>

#include "base/result.h"
#include "target/elf_file.h"

namespace hang {

// Copies of what DT_SYMTAB and DT_STRTAB point to; empty if something does not fit.
struct DynamicTable {
  std::vector<std::byte> symbols, strings;
};

// Reads the tables that PT_DYNAMIC names. `load_bias` was added to the pointers in an image of memory (glibc does so,
// elf/get-dynamic-info.h), and is 0 for a file.
DynamicTable read_dynamic_table(int fd, std::uint64_t file_size, std::span<const Elf64_Phdr> headers,
                                std::uint64_t load_bias);

// Writes the segments of the module whose ELF header lies at `begin` to `fd`, each at its place in the file, with a
// header that has no sections. Errors: `unreadable`, `no_symbols` (no ELF header there), `io`.
Result<void> copy_image(const ElfFile::ReadMemory& read, std::uint64_t begin, std::uint64_t load_bias, int fd);

}  // namespace hang
