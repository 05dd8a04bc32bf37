// Modules: the files that the target has mapped, as LLDB places them, and their ELF contents.
#pragma once

#include <functional>
#include <lldb/API/LLDB.h>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "target/elf_file.h"
#include "target/target.h"

namespace hang::lldb_host {

// The loaded, file-backed modules of `target`. `root` is put before each path where that opens the file ("" or
// "/proc/PID/root": a process in a container sees other files under the same names).
std::vector<Module> list_modules(lldb::SBTarget& target, const std::string& root);

// ELF files by path, opened once each. Symbols come from here and not from LLDB, which would first index everything.
class ModuleFiles {
 public:
  // Reads the head of a mapping from the target, and only from there (never from a file).
  using ReadMemory = std::function<std::size_t(RemoteAddr address, std::span<std::byte> out)>;

  explicit ModuleFiles(ReadMemory read_memory) : read_memory_(std::move(read_memory)) {}

  // Errors: `io`; `no_symbols` also for a file that is not the one the target has mapped (replaced since).
  Result<ElfFile*> open(const Module& module);

 private:
  Result<std::unique_ptr<ElfFile>> open_checked(const Module& module);

  ReadMemory read_memory_;
  std::map<std::string, Result<std::unique_ptr<ElfFile>>> files_;
};

}  // namespace hang::lldb_host
