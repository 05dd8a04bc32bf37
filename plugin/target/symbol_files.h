// SymbolFiles: symbols of a target's modules, by their files, or by their memory where the file is gone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/result.h"
#include "target/elf_file.h"
#include "target/target.h"

namespace hang {

// What hosts without a debugger answer for Target::symbol and Target::code_symbol. Each file is opened once, when first
// asked for.
class SymbolFiles {
 public:
  explicit SymbolFiles(ElfFile::ReadMemory read) : read_(std::move(read)) {}

  // The file of `module`, or an image of its memory if open_path is empty.
  Result<ElfFile*> open(const Module& module);
  Result<RemoteAddr> symbol(const Module& module, std::string_view name);
  Result<CodeSymbol> code_symbol(const std::vector<Module>& modules, RemoteAddr pc);
  // Where the function that has `pc` begins, by an unwind table or a symbol; 0 = unknown.
  std::uint64_t function_begin(const std::vector<Module>& modules, RemoteAddr pc);

 private:
  ElfFile::ReadMemory read_;
  std::map<std::uint64_t, Result<std::unique_ptr<ElfFile>>> files_;  // by the module's begin
};

// The module that is mapped at `address`; null if there is none.
const Module* module_of(const std::vector<Module>& modules, RemoteAddr address);

}  // namespace hang
