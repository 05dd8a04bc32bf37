#include "hosts/native/memory_map.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "target/elf_file.h"

namespace hang::native {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMaxSpan = 1ULL << 40;  // a module larger than a terabyte is a forged header

std::uint64_t page_down(std::uint64_t address) {
  return address & ~(kPage - 1);
}

// Takes a hexadecimal or decimal number off the front of `text`.
std::optional<std::uint64_t> take_number(std::string_view& text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

// seq_file_path() writes a newline in a path as "\012" (fs/proc/task_mmu.c) and nothing else specially.
std::string unescape(std::string_view path) {
  std::string result(path);
  for (std::size_t at = 0; (at = result.find("\\012", at)) != std::string::npos; ++at) result.replace(at, 4, "\n");
  return result;
}

// "55d0-55d1 r-xp 00001000 fe:00 1234      /usr/bin/x y"
std::optional<Mapping> parse_line(std::string_view line) {
  const std::string_view whole = line;
  Mapping mapping;
  const auto begin = take_number(line, 16);
  if (!begin || !take(line, '-')) return std::nullopt;
  const auto end = take_number(line, 16);
  mapping.range = whole.substr(0, whole.size() - line.size());
  if (!end || *end <= *begin || !take(line, ' ') || line.size() < 5) return std::nullopt;
  mapping.readable = line[0] == 'r';
  mapping.writable = line[1] == 'w';
  mapping.executable = line[2] == 'x';
  line.remove_prefix(4);
  if (!take(line, ' ')) return std::nullopt;
  const auto offset = take_number(line, 16);
  if (!offset || !take(line, ' ') || !take_number(line, 16) || !take(line, ':') || !take_number(line, 16) ||
      !take(line, ' '))
    return std::nullopt;
  const auto inode = take_number(line, 10);
  if (!inode) return std::nullopt;
  const auto path = line.find_first_not_of(' ');
  if (path != std::string_view::npos) mapping.path = unescape(line.substr(path));
  mapping.begin = *begin;
  mapping.end = *end;
  mapping.offset = *offset;
  mapping.inode = *inode;
  return mapping;
}

// Where the file's segments lie if its first page is mapped at `begin`.
struct Placement {
  std::uint64_t bias = 0, begin = 0, end = 0;
};

std::optional<Placement> place(const std::vector<ElfSegment>& segments, std::uint64_t begin) {
  const auto head = std::find_if(segments.begin(), segments.end(),
                                 [](const ElfSegment& segment) { return page_down(segment.offset) == 0; });
  if (head == segments.end()) return std::nullopt;
  std::uint64_t low = head->address, high = head->address;
  for (const ElfSegment& segment : segments) {
    if (segment.memory_size > kMaxSpan || segment.address > UINT64_MAX - kMaxSpan) return std::nullopt;
    low = std::min(low, segment.address);
    high = std::max(high, segment.address + segment.memory_size);
  }
  if (high - low > kMaxSpan) return std::nullopt;
  // Modulo 2^64 on purpose: a prelinked file's addresses may be above where it was mapped.
  const std::uint64_t bias = begin - page_down(head->address);
  return Placement{bias, page_down(low) + bias, high + bias};
}

bool executable_within(const std::vector<Mapping>& mappings, const Mapping& file, const Placement& placement) {
  return std::any_of(mappings.begin(), mappings.end(), [&](const Mapping& mapping) {
    return mapping.executable && mapping.inode == file.inode && mapping.path == file.path &&
           mapping.begin >= placement.begin && mapping.begin < placement.end;
  });
}

}  // namespace

std::vector<Mapping> parse_maps(std::string_view text) {
  std::vector<Mapping> mappings;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (auto mapping = parse_line(text.substr(0, end))) mappings.push_back(std::move(*mapping));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return mappings;
}

bool may_begin_module(const Mapping& mapping) {
  return mapping.file_backed() && mapping.offset == 0 && mapping.readable;
}

std::vector<MappedModule> group_modules(const std::vector<Mapping>& mappings,
                                        const std::vector<std::vector<std::byte>>& heads) {
  std::vector<MappedModule> modules;
  for (std::size_t i = 0; i < mappings.size() && i < heads.size(); ++i) {
    const Mapping& mapping = mappings[i];
    const auto placement = place(elf_segments_of_head(heads[i]), mapping.begin);
    if (!placement || !executable_within(mappings, mapping, *placement)) continue;
    // The data segment of a tiny library is a second mapping of its first page.
    const bool known = std::any_of(modules.begin(), modules.end(), [&](const MappedModule& other) {
      return other.head.inode == mapping.inode && RemoteAddr(mapping.begin) >= other.module.begin &&
             RemoteAddr(mapping.begin) < other.module.end;
    });
    if (known) continue;
    modules.push_back({Module{mapping.path, "", RemoteAddr(placement->bias), RemoteAddr(placement->begin),
                              RemoteAddr(placement->end)},
                       mapping});
  }
  return modules;
}

}  // namespace hang::native
