#include "target/elf_dynamic.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <unistd.h>

namespace hang {
namespace {

// No real module comes near these.
constexpr std::uint64_t kMaxTable = 1ULL << 28, kMaxSegment = 1ULL << 28;
constexpr std::uint64_t kMaxDynamic = 4096;  // entries
constexpr std::size_t kHead = 4096;

// Reads of a file by the addresses that its segments give its bytes.
class Mapped {
 public:
  Mapped(int fd, std::uint64_t file_size, std::span<const Elf64_Phdr> headers)
      : fd_(fd), file_size_(file_size), headers_(headers) {}

  [[nodiscard]] bool has(std::uint64_t address) const { return left(address) > 0; }

  // The bytes from `address` on, at most `size` and no more than its segment has.
  [[nodiscard]] std::vector<std::byte> read(std::uint64_t address, std::uint64_t size) const {
    const std::uint64_t count = std::min({size, left(address), kMaxTable});
    std::vector<std::byte> bytes(count);
    if (count == 0) return bytes;
    const Elf64_Phdr* header = segment_of(address);
    const auto at = static_cast<off_t>(header->p_offset + (address - header->p_vaddr));
    const ssize_t done = pread(fd_, bytes.data(), bytes.size(), at);
    bytes.resize(done > 0 ? static_cast<std::size_t>(done) : 0);
    return bytes;
  }

  template <typename T>
  [[nodiscard]] std::optional<T> value(std::uint64_t address) const {
    const auto bytes = read(address, sizeof(T));
    if (bytes.size() != sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

 private:
  [[nodiscard]] const Elf64_Phdr* segment_of(std::uint64_t address) const {
    for (const Elf64_Phdr& header : headers_)
      if (header.p_type == PT_LOAD && address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz)
        return &header;
    return nullptr;
  }
  // Bytes of the file that `address` and what follows it have.
  [[nodiscard]] std::uint64_t left(std::uint64_t address) const {
    const Elf64_Phdr* header = segment_of(address);
    if (header == nullptr || header->p_offset > file_size_) return 0;
    const std::uint64_t within = address - header->p_vaddr, in_file = file_size_ - header->p_offset;
    return within < in_file ? std::min(header->p_filesz - within, in_file - within) : 0;
  }

  int fd_;
  std::uint64_t file_size_;
  std::span<const Elf64_Phdr> headers_;
};

struct Pointers {
  std::uint64_t symbols = 0, strings = 0, strings_size = 0, hash = 0, gnu_hash = 0;
};

Pointers read_pointers(const Mapped& file, const Elf64_Phdr& dynamic, std::uint64_t load_bias) {
  const auto address = [&](std::uint64_t value) {
    return load_bias != 0 && value >= load_bias && file.has(value - load_bias) ? value - load_bias : value;
  };
  Pointers found;
  const std::uint64_t count = std::min<std::uint64_t>(dynamic.p_filesz / sizeof(Elf64_Dyn), kMaxDynamic);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto entry = file.value<Elf64_Dyn>(dynamic.p_vaddr + i * sizeof(Elf64_Dyn));
    if (!entry || entry->d_tag == DT_NULL) break;
    const std::uint64_t value = entry->d_un.d_val;
    switch (entry->d_tag) {
      case DT_SYMTAB: found.symbols = address(value); break;
      case DT_STRTAB: found.strings = address(value); break;
      case DT_STRSZ: found.strings_size = value; break;
      case DT_HASH: found.hash = address(value); break;
      case DT_GNU_HASH: found.gnu_hash = address(value); break;
      default: break;
    }
  }
  return found;
}

// How many symbols there are is not said, but the last of the last chain of the hash table is the last one that is
// defined (glibc, elf/dl-addr.c: determine_info).
std::uint64_t count_by_gnu_hash(const Mapped& file, std::uint64_t at) {
  struct Header {
    std::uint32_t buckets, first_symbol, bloom_words, bloom_shift;
  };
  const auto header = file.value<Header>(at);
  if (!header) return 0;
  const std::uint64_t buckets = at + sizeof(Header) + std::uint64_t{header->bloom_words} * 8;
  const std::uint64_t chains = buckets + std::uint64_t{header->buckets} * 4;
  const auto bytes = file.read(buckets, std::uint64_t{header->buckets} * 4);
  std::uint32_t last = 0;
  for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t first = 0;
    std::memcpy(&first, bytes.data() + i, sizeof first);
    last = std::max(last, first);
  }
  if (last < header->first_symbol) return header->first_symbol;
  for (std::uint64_t symbol = last; symbol < kMaxTable / sizeof(Elf64_Sym); ++symbol) {
    const auto chain = file.value<std::uint32_t>(chains + (symbol - header->first_symbol) * 4);
    if (!chain) return 0;
    if ((*chain & 1) != 0) return symbol + 1;  // the end of the chain
  }
  return 0;
}

std::uint64_t count_symbols(const Mapped& file, const Pointers& pointers) {
  if (pointers.gnu_hash != 0) return count_by_gnu_hash(file, pointers.gnu_hash);
  // DT_HASH: number of buckets, number of chains; there is a chain for each symbol.
  return pointers.hash == 0 ? 0 : file.value<std::uint32_t>(pointers.hash + 4).value_or(0);
}

Result<void> write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  if (pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes.size()))
    return {};
  return Error{ErrorKind::io, std::string("cannot copy a module: ") + std::strerror(errno)};
}

}  // namespace

DynamicTable read_dynamic_table(int fd, std::uint64_t file_size, std::span<const Elf64_Phdr> headers,
                                std::uint64_t load_bias) {
  DynamicTable table;
  const auto dynamic = std::find_if(headers.begin(), headers.end(),
                                    [](const Elf64_Phdr& header) { return header.p_type == PT_DYNAMIC; });
  if (dynamic == headers.end()) return table;
  const Mapped file(fd, file_size, headers);
  const Pointers pointers = read_pointers(file, *dynamic, load_bias);
  if (pointers.symbols == 0 || pointers.strings == 0) return table;
  table.symbols = file.read(pointers.symbols, count_symbols(file, pointers) * sizeof(Elf64_Sym));
  table.strings = file.read(pointers.strings, pointers.strings_size);
  return table;
}

Result<void> copy_image(const ElfFile::ReadMemory& read, std::uint64_t begin, std::uint64_t load_bias, int fd) {
  std::vector<std::byte> head(kHead);
  head.resize(read(begin, head));
  const auto segments = elf_segments_of_head(head);
  if (segments.empty()) return Error{ErrorKind::no_symbols, "no ELF header there", RemoteAddr(begin)};
  for (const ElfSegment& segment : segments) {
    if (segment.file_size > kMaxSegment) return Error{ErrorKind::no_symbols, "a segment of impossible size"};
    std::vector<std::byte> bytes(segment.file_size);
    bytes.resize(read(load_bias + segment.address, bytes));
    if (auto written = write_at(fd, bytes, segment.offset); !written) return written;
  }
  Elf64_Ehdr header;
  std::memcpy(&header, head.data(), sizeof header);
  header.e_shoff = 0;
  header.e_shnum = 0;
  header.e_shstrndx = SHN_UNDEF;
  return write_at(fd, std::as_bytes(std::span(&header, 1)), 0);
}

}  // namespace hang
