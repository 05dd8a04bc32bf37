#include "hosts/gdb/mappings.h"

#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <sys/stat.h>

namespace hang::gdb_host {
namespace {

using native::MappedModule;
using native::Mapping;

// A process with all of PyPI loaded has fewer.
constexpr std::size_t kMaxHeads = 8192;

// The next word of `line`, which loses it.
std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  const auto word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

std::optional<std::uint64_t> next_number(std::string_view& line) {
  auto word = next_word(line);
  if (!word.starts_with("0x")) return std::nullopt;
  word.remove_prefix(2);
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), number, 16);
  if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size()) return std::nullopt;
  return number;
}

// "0x55e0 0x55e1 0x1000 0x0 r--p /usr/bin/python3.11": start, end, size, offset, rights, file.
std::optional<Mapping> parse_line(std::string_view line) {
  const auto begin = next_number(line), end = next_number(line), size = next_number(line), offset = next_number(line);
  if (!begin || !end || !size || !offset || *end <= *begin) return std::nullopt;
  const auto rights = next_word(line);
  if (rights.size() < 3) return std::nullopt;
  Mapping mapping;
  mapping.begin = *begin;
  mapping.end = *end;
  mapping.offset = *offset;
  mapping.readable = rights[0] == 'r';
  mapping.writable = rights[1] == 'w';
  mapping.executable = rights[2] == 'x';
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  mapping.path = line.substr(0, line.find_last_not_of(" \t\r") + 1);
  return mapping;
}

bool is_file_in_memory(const std::string& path, const Module& module, const ElfFile::ReadMemory& read) {
  struct stat status {};
  // Asked before it is opened: the name comes from the target, and opening a device may do something.
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  auto file = ElfFile::open(path);
  if (!file) return false;
  std::byte in_memory[native::kHeadBytes], in_file[native::kHeadBytes];
  const auto address = (*file)->lowest_address();
  const auto count = read(module.load_bias.raw() + address, in_memory);
  return count > 0 && (*file)->read(address, std::span(in_file, count)) && std::memcmp(in_memory, in_file, count) == 0;
}

}  // namespace

std::vector<Mapping> parse_mappings(std::string_view text) {
  std::vector<Mapping> mappings;
  std::map<std::string, std::uint64_t> numbers;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto mapping = parse_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!mapping) continue;
    if (mapping->path.starts_with('/'))
      mapping->inode = numbers.emplace(mapping->path, numbers.size() + 1).first->second;
    mappings.push_back(std::move(*mapping));
  }
  return mappings;
}

std::vector<Module> modules_of(const std::vector<Mapping>& mappings, const ElfFile::ReadMemory& read,
                               const std::string& sysroot) {
  std::vector<std::vector<std::byte>> heads(mappings.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < mappings.size() && count < kMaxHeads; ++i) {
    if (!native::may_begin_module(mappings[i])) continue;
    ++count;
    heads[i].resize(native::kHeadBytes);
    heads[i].resize(read(mappings[i].begin, heads[i]));
  }
  std::vector<Module> modules;
  for (MappedModule& found : native::group_modules(mappings, heads)) {
    const std::string path = sysroot + found.module.path;
    if (is_file_in_memory(path, found.module, read)) found.module.open_path = path;
    modules.push_back(std::move(found.module));
  }
  return modules;
}

}  // namespace hang::gdb_host
