#include "hosts/lldb/modules.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <optional>
#include <unistd.h>

namespace hang::lldb_host {
namespace {

// Enough for the ELF header, the program headers and, nearly always, the build id.
constexpr std::size_t kHead = 1024;

std::string path_of(const lldb::SBFileSpec& file) {
  char path[PATH_MAX] = "";
  return file.GetPath(path, sizeof path) > 0 ? path : "";
}

// LLDB shows each PT_LOAD as a top-level section. Sections that are not loaded have no load address.
bool place(lldb::SBModule& from, lldb::SBTarget& target, Module& module) {
  bool placed = false;
  const std::size_t count = from.GetNumSections();
  for (std::size_t i = 0; i < count; ++i) {
    auto section = from.GetSectionAtIndex(i);
    auto load = section.GetLoadAddress(target);
    auto file = section.GetFileAddress();
    if (load == LLDB_INVALID_ADDRESS || file == LLDB_INVALID_ADDRESS) continue;
    auto end = RemoteAddr(load).plus(section.GetByteSize());
    if (!end) continue;
    if (!placed) {
      module.load_bias = RemoteAddr(load - file);
      module.begin = RemoteAddr(load);
      module.end = *end;
      placed = true;
    }
    module.begin = std::min(module.begin, RemoteAddr(load));
    module.end = std::max(module.end, *end);
  }
  return placed;
}

}  // namespace

std::vector<Module> list_modules(lldb::SBTarget& target, const std::string& root) {
  std::vector<Module> modules;
  const std::uint32_t count = target.GetNumModules();
  for (std::uint32_t i = 0; i < count; ++i) {
    auto from = target.GetModuleAtIndex(i);
    Module module;
    module.path = path_of(from.GetPlatformFileSpec());
    module.open_path = path_of(from.GetFileSpec());
    if (module.path.empty()) module.path = module.open_path;
    if (!module.path.starts_with('/') || !place(from, target, module)) continue;  // [vdso]; not loaded
    std::string in_root = root + module.path;
    if (!root.empty() && access(in_root.c_str(), R_OK) == 0) module.open_path = std::move(in_root);
    modules.push_back(std::move(module));
  }
  return modules;
}

Result<ElfFile*> ModuleFiles::open(const Module& module) {
  auto found = files_.find(module.open_path);
  if (found == files_.end()) found = files_.emplace(module.open_path, open_checked(module)).first;
  if (!found->second) return found->second.error();
  return found->second->get();
}

Result<std::unique_ptr<ElfFile>> ModuleFiles::open_checked(const Module& module) {
  auto file = ElfFile::open(module.open_path);
  if (!file) return file;
  // A package update replaces the file of a running program: its symbols would be off by some bytes, and believed.
  std::byte in_memory[kHead], in_file[kHead];
  const auto address = (*file)->lowest_address();
  const auto count = read_memory_(module.load_bias.field(address), in_memory);
  if (count > 0 && (*file)->read(address, std::span(in_file, count)) && std::memcmp(in_memory, in_file, count) != 0) {
    return Error{ErrorKind::no_symbols, module.open_path + " is not the file that the process has mapped"};
  }
  return file;
}

}  // namespace hang::lldb_host
