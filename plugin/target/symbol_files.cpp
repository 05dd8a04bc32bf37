#include "target/symbol_files.h"

#include <algorithm>

namespace hang {

const Module* module_of(const std::vector<Module>& modules, RemoteAddr address) {
  const auto found = std::find_if(modules.begin(), modules.end(),
                                  [&](const Module& m) { return address >= m.begin && address < m.end; });
  return found == modules.end() ? nullptr : &*found;
}

Result<ElfFile*> SymbolFiles::open(const Module& module) {
  auto found = files_.find(module.begin.raw());
  if (found == files_.end()) {
    auto file = module.open_path.empty()
                    ? ElfFile::open_image(read_, module.begin.raw(), module.load_bias.raw(), module.path)
                    : ElfFile::open(module.open_path);
    found = files_.emplace(module.begin.raw(), std::move(file)).first;
  }
  if (!found->second) return found->second.error();
  return found->second->get();
}

Result<RemoteAddr> SymbolFiles::symbol(const Module& module, std::string_view name) {
  auto elf = open(module);
  if (!elf) return elf.error();
  auto symbol = (*elf)->symbol(name);
  if (!symbol) return symbol.error();
  return RemoteAddr(module.load_bias.raw() + symbol->address);
}

Result<CodeSymbol> SymbolFiles::code_symbol(const std::vector<Module>& modules, RemoteAddr pc) {
  const Module* module = module_of(modules, pc);
  if (module == nullptr) return Error{ErrorKind::no_symbols, "no module is mapped there", pc};
  auto elf = open(*module);
  if (!elf) return elf.error();
  const std::uint64_t address = pc.raw() - module->load_bias.raw();
  auto function = (*elf)->function_at(address);
  if (!function) return function.error();
  return CodeSymbol{function->name, module->path, address - function->address};
}

std::uint64_t SymbolFiles::function_begin(const std::vector<Module>& modules, RemoteAddr pc) {
  const Module* module = module_of(modules, pc);
  auto elf = module != nullptr ? open(*module) : Result<ElfFile*>(Error{ErrorKind::no_symbols, "no module there"});
  if (!elf) return 0;
  const std::uint64_t bias = module->load_bias.raw();
  if (auto begin = (*elf)->function_begin(pc.raw() - bias)) return *begin + bias;
  auto function = (*elf)->function_at(pc.raw() - bias);
  return function ? function->address + bias : 0;
}

}  // namespace hang
