#include "target/elf_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <libelf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "target/elf_dynamic.h"

namespace hang {
namespace {

// No real program comes near these. A file that claims more is refused before anything is allocated for it.
constexpr std::size_t kMaxSegments = 256;
constexpr std::uint64_t kMaxTable = 1ULL << 28;

constexpr std::uint32_t kDynsym = 0, kSymtab = 1;

template <typename T>
std::optional<T> load(std::span<const std::byte> bytes, std::uint64_t offset) {
  if (bytes.size() < sizeof(T) || offset > bytes.size() - sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

bool is_x86_64(const Elf64_Ehdr& header) {
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_ident[EI_DATA] == ELFDATA2LSB && header.e_machine == EM_X86_64 &&
         (header.e_type == ET_EXEC || header.e_type == ET_DYN);
}

ElfSegment segment_of(const Elf64_Phdr& header) {
  return {header.p_vaddr,
          header.p_offset,
          header.p_filesz,
          header.p_memsz,
          (header.p_flags & PF_X) != 0,
          (header.p_flags & PF_W) != 0};
}

// A symbol table and its strings, as libelf keeps them until elf_end.
struct Table {
  std::span<const std::byte> symbols;
  std::string_view strings;

  [[nodiscard]] std::size_t count() const { return symbols.size() / sizeof(Elf64_Sym); }
  // By memcpy: a hostile section need not be aligned.
  [[nodiscard]] Elf64_Sym at(std::size_t index) const { return *load<Elf64_Sym>(symbols, index * sizeof(Elf64_Sym)); }
  [[nodiscard]] bool named(const Elf64_Sym& symbol, std::string_view name, char end = '\0') const {
    return symbol.st_name < strings.size() && strings.size() - symbol.st_name > name.size() &&
           strings[symbol.st_name + name.size()] == end && strings.compare(symbol.st_name, name.size(), name) == 0;
  }
  [[nodiscard]] std::string name(const Elf64_Sym& symbol) const {
    if (symbol.st_name >= strings.size()) return {};
    const auto rest = strings.substr(symbol.st_name);
    return std::string(rest.substr(0, rest.find('\0')));
  }
};

// A definition that has an address in memory. A common or absolute symbol, or the offset of a thread-local one, is not.
bool defined(const Elf64_Sym& symbol) {
  return symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS && symbol.st_shndx != SHN_COMMON &&
         ELF64_ST_TYPE(symbol.st_info) != STT_TLS;
}

ElfSymbol symbol_of(const Table& table, const Elf64_Sym& symbol) {
  const auto type = ELF64_ST_TYPE(symbol.st_info);
  return {table.name(symbol), symbol.st_value,
          symbol.st_size,     type == STT_FUNC || type == STT_GNU_IFUNC,
          type == STT_OBJECT, ELF64_ST_BIND(symbol.st_info) == STB_LOCAL};
}

std::string hexadecimal(std::span<const std::byte> bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

// Notes are (name size, descriptor size, type, name, descriptor), the latter two padded to 4 (elf(5)).
std::optional<std::string> build_id_in(std::span<const std::byte> notes) {
  const auto padded = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
  for (std::uint64_t at = 0; at < notes.size();) {
    const auto note = load<Elf64_Nhdr>(notes, at);
    if (!note) break;
    const std::uint64_t name = at + sizeof(Elf64_Nhdr), descriptor = name + padded(note->n_namesz);
    if (descriptor > notes.size() || note->n_descsz > notes.size() - descriptor) break;
    if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == sizeof ELF_NOTE_GNU &&
        std::memcmp(notes.data() + name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0)
      return hexadecimal(notes.subspan(descriptor, note->n_descsz));
    at = descriptor + padded(note->n_descsz);
  }
  return std::nullopt;
}

}  // namespace

std::vector<ElfSegment> elf_segments_of_head(std::span<const std::byte> head) {
  std::vector<ElfSegment> segments;
  const auto header = load<Elf64_Ehdr>(head, 0);
  if (!header || !is_x86_64(*header) || header->e_phentsize != sizeof(Elf64_Phdr)) return segments;
  const std::size_t count = std::min<std::size_t>(header->e_phnum, kMaxSegments);
  for (std::size_t i = 0; i < count && header->e_phoff < head.size(); ++i) {
    const auto program = load<Elf64_Phdr>(head, header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!program) break;
    if (program->p_type == PT_LOAD) segments.push_back(segment_of(*program));
  }
  return segments;
}

std::optional<std::string> build_id_of_head(std::span<const std::byte> head, const ReadElf& read) {
  constexpr std::uint64_t kMaxNotes = 1 << 16;
  const auto header = load<Elf64_Ehdr>(head, 0);
  if (!header || !is_x86_64(*header) || header->e_phentsize != sizeof(Elf64_Phdr)) return std::nullopt;
  const std::size_t count = std::min<std::size_t>(header->e_phnum, kMaxSegments);
  for (std::size_t i = 0; i < count && header->e_phoff < head.size(); ++i) {
    const auto program = load<Elf64_Phdr>(head, header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!program) break;
    if (program->p_type != PT_NOTE || program->p_filesz > kMaxNotes) continue;
    std::vector<std::byte> notes(program->p_filesz);
    if (!read(program->p_vaddr, program->p_offset, notes)) continue;
    if (auto id = build_id_in(notes)) return id;
  }
  return std::nullopt;
}

struct ElfFile::Libelf {
  int fd = -1;
  Elf* elf = nullptr;
  std::uint64_t file_size = 0;
  std::uint64_t load_bias = 0;     // of an image of memory, in which the dynamic linker relocated the dynamic segment
  std::optional<Table> tables[2];  // .dynsym, .symtab; empty if absent or broken
  std::optional<DynamicTable> dynamic;  // what tables[kDynsym] views where no section tells

  ~Libelf() {
    elf_end(elf);
    if (fd >= 0) close(fd);
  }

  // A section's bytes; empty if they are not all in the file.
  std::span<const std::byte> bytes(Elf_Scn* section) const {
    const Elf64_Shdr* header = section ? elf64_getshdr(section) : nullptr;
    if (!header || header->sh_type == SHT_NOBITS || header->sh_size > kMaxTable) return {};
    if (header->sh_offset > file_size || header->sh_size > file_size - header->sh_offset) return {};
    const Elf_Data* data = elf_rawdata(section, nullptr);
    if (!data || !data->d_buf) return {};
    return {static_cast<const std::byte*>(data->d_buf), data->d_size};
  }

  [[nodiscard]] std::span<const Elf64_Phdr> program_headers() const {
    std::size_t count = 0;
    if (elf_getphdrnum(elf, &count) != 0 || count == 0) return {};
    const Elf64_Phdr* headers = elf64_getphdr(elf);
    return headers == nullptr ? std::span<const Elf64_Phdr>() : std::span(headers, std::min(count, kMaxSegments));
  }

  Elf_Scn* find(auto&& wanted) const {
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section));)
      if (const Elf64_Shdr* header = elf64_getshdr(section); header && wanted(*header)) return section;
    return nullptr;
  }

  const Table& table(std::uint32_t which) {
    if (tables[which]) return *tables[which];
    Table& table = tables[which].emplace();
    const Elf64_Word type = which == kDynsym ? SHT_DYNSYM : SHT_SYMTAB;
    Elf_Scn* section = find([&](const Elf64_Shdr& header) { return header.sh_type == type; });
    if (!section && which == kDynsym) {
      dynamic = read_dynamic_table(fd, file_size, program_headers(), load_bias);
      table.symbols = dynamic->symbols;
      table.strings = {reinterpret_cast<const char*>(dynamic->strings.data()), dynamic->strings.size()};
    }
    if (!section) return table;
    const auto strings = bytes(elf_getscn(elf, elf64_getshdr(section)->sh_link));
    table.symbols = bytes(section);
    table.strings = {reinterpret_cast<const char*>(strings.data()), strings.size()};
    return table;
  }

  std::optional<ElfSymbol> lookup(std::uint32_t which, std::string_view name) {
    const Table& from = table(which);
    for (std::size_t i = 0; i < from.count(); ++i) {
      const Elf64_Sym symbol = from.at(i);
      if (defined(symbol) && from.named(symbol, name)) return symbol_of(from, symbol);
    }
    return std::nullopt;
  }
};

ElfFile::ElfFile(std::string path, std::unique_ptr<Libelf> elf) : path_(std::move(path)), elf_(std::move(elf)) {}
ElfFile::~ElfFile() = default;

Error ElfFile::missing(std::string_view what) const {
  return Error{ErrorKind::no_symbols, path_ + ": " + std::string(what)};
}

Result<std::unique_ptr<ElfFile>> ElfFile::open(const std::string& path) {
  // O_NONBLOCK: a path out of a hostile process may name a FIFO.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Error{ErrorKind::io, "cannot open " + path + ": " + std::strerror(errno)};
  return open_fd(fd, path, 0);
}

Result<std::unique_ptr<ElfFile>> ElfFile::open_image(const ReadMemory& read, std::uint64_t begin,
                                                     std::uint64_t load_bias, const std::string& name) {
  const int fd = memfd_create("hang-image", MFD_CLOEXEC);
  if (fd < 0) return Error{ErrorKind::io, std::string("no memory file: ") + std::strerror(errno)};
  if (auto copied = copy_image(read, begin, load_bias, fd); !copied) {
    close(fd);
    return copied.error();
  }
  return open_fd(fd, name, load_bias);
}

Result<std::unique_ptr<ElfFile>> ElfFile::open_fd(int fd, const std::string& path, std::uint64_t load_bias) {
  auto elf = std::make_unique<Libelf>();
  struct stat status {};
  elf->fd = fd;
  elf->load_bias = load_bias;
  if (fstat(elf->fd, &status) != 0) return Error{ErrorKind::io, "cannot open " + path + ": " + std::strerror(errno)};
  if (!S_ISREG(status.st_mode)) return Error{ErrorKind::no_symbols, path + ": not a regular file"};
  elf->file_size = static_cast<std::uint64_t>(status.st_size);
  elf_version(EV_CURRENT);
  // Not ELF_C_READ_MMAP: a file that is truncated while it is mapped raises SIGBUS, and touched pages come with their
  // neighbours into our memory. Only headers and the tables asked for are read.
  elf->elf = elf_begin(elf->fd, ELF_C_READ, nullptr);
  std::unique_ptr<ElfFile> file(new ElfFile(path, std::move(elf)));
  if (auto read = file->read_headers(); !read) return read.error();
  return file;
}

Result<void> ElfFile::read_headers() {
  Elf* elf = elf_->elf;
  const Elf64_Ehdr* header = elf && elf_kind(elf) == ELF_K_ELF ? elf64_getehdr(elf) : nullptr;
  if (!header || !is_x86_64(*header)) return missing("not an ELF executable or shared object for x86-64");
  type_ = header->e_type == ET_EXEC ? Type::executable : Type::shared;
  std::size_t count = 0;
  if (elf_getphdrnum(elf, &count) != 0) return missing("broken program headers");
  const Elf64_Phdr* headers = count > 0 ? elf64_getphdr(elf) : nullptr;
  for (std::size_t i = 0; headers && i < std::min(count, kMaxSegments); ++i)
    if (headers[i].p_type == PT_LOAD) segments_.push_back(segment_of(headers[i]));
  if (segments_.empty()) return missing("no loadable segments");
  return {};
}

std::uint64_t ElfFile::lowest_address() const {
  const auto lowest = std::min_element(segments_.begin(), segments_.end(),
                                       [](const auto& a, const auto& b) { return a.address < b.address; });
  return lowest == segments_.end() ? 0 : lowest->address;
}

Result<ElfSymbol> ElfFile::exported(std::string_view name) {
  if (auto found = elf_->lookup(kDynsym, name)) return *found;
  return missing("does not export " + std::string(name));
}

Result<ElfSymbol> ElfFile::symbol(std::string_view name) {
  for (auto table : {kDynsym, kSymtab})
    if (auto found = elf_->lookup(table, name)) return *found;
  return missing("does not define " + std::string(name));
}

std::vector<ElfSymbol> ElfFile::definitions(std::string_view name) {
  std::vector<ElfSymbol> found;
  const Table& table = elf_->table(kSymtab);
  for (std::size_t i = 0; i < table.count(); ++i) {
    const Elf64_Sym symbol = table.at(i);
    if (defined(symbol) && (table.named(symbol, name, '\0') || table.named(symbol, name, '.')))
      found.push_back(symbol_of(table, symbol));
  }
  return found;
}

namespace {

// Calls `each(symbol, table, index)` for the functions of a file.
template <typename Elf, typename Each>
void each_function(Elf& elf, const Each& each) {
  // .symtab repeats .dynsym, so the latter is used only when it is all there is.
  bool any = false;
  for (const std::uint32_t which : {kSymtab, kDynsym}) {
    const auto& table = elf.table(which);
    for (std::size_t i = 0; i < table.count(); ++i) {
      const Elf64_Sym symbol = table.at(i);
      const auto type = ELF64_ST_TYPE(symbol.st_info);
      if (!defined(symbol) || symbol.st_size == 0 || (type != STT_FUNC && type != STT_GNU_IFUNC)) continue;
      any = true;
      each(symbol, which, static_cast<std::uint32_t>(i));
    }
    if (any) break;
  }
}

}  // namespace

void ElfFile::load_functions() {
  auto& functions = functions_.emplace();
  each_function(*elf_, [&](const Elf64_Sym& symbol, std::uint32_t table, std::uint32_t index) {
    functions.push_back({symbol.st_value, symbol.st_size, table, index});
  });
  // Of aliases at one address the first in the table stays the one that is named.
  std::stable_sort(functions.begin(), functions.end(),
                   [](const Function& a, const Function& b) { return a.address < b.address; });
}

// The same answer without a table of all.
std::optional<ElfFile::Function> ElfFile::scan_functions(std::uint64_t address) const {
  std::optional<Function> last;  // of those that begin there or before
  bool covers = false;
  each_function(*elf_, [&](const Elf64_Sym& symbol, std::uint32_t table, std::uint32_t index) {
    if (symbol.st_value > address || (last && symbol.st_value < last->address)) return;
    if (last && symbol.st_value == last->address && covers) return;
    last = Function{symbol.st_value, symbol.st_size, table, index};
    covers = address - symbol.st_value < symbol.st_size;
  });
  return covers ? last : std::nullopt;
}

Result<ElfSymbol> ElfFile::function_at(std::uint64_t address) {
  // A stack has few functions, and a table of the tens of thousands that a CPython has costs more than looking at them.
  constexpr unsigned kFew = 16;
  if (!functions_ && scans_++ < kFew) {
    const auto found = scan_functions(address);
    if (!found) return missing("no function there");
    const Table& table = elf_->table(found->table);
    return symbol_of(table, table.at(found->index));
  }
  if (!functions_) load_functions();
  const auto after = std::upper_bound(functions_->begin(), functions_->end(), address,
                                      [](std::uint64_t wanted, const Function& f) { return wanted < f.address; });
  if (after == functions_->begin()) return missing("no function there");
  const std::uint64_t begin = std::prev(after)->address;
  const auto first = std::lower_bound(functions_->begin(), after, begin,
                                      [](const Function& f, std::uint64_t wanted) { return f.address < wanted; });
  for (auto candidate = first; candidate != after; ++candidate) {
    if (address - candidate->address >= candidate->size) continue;
    const Table& table = elf_->table(candidate->table);
    return symbol_of(table, table.at(candidate->index));
  }
  return missing("no function there");
}

namespace {

// The head of .eh_frame_hdr (LSB 5.0, "The .eh_frame_hdr section"), in the encodings that every linker writes: a 4-byte
// count, and a sorted table of 4-byte offsets from the section's begin: (function, its description).
struct UnwindTable {
  std::uint8_t version, frame_encoding, count_encoding, table_encoding;
  std::int32_t frame;
  std::uint32_t count;
};
struct UnwindEntry {
  std::int32_t function, description;
};
constexpr std::uint8_t kUdata4 = 0x03, kSdata4FromSection = 0x3b;  // DW_EH_PE_udata4, DW_EH_PE_datarel | sdata4

template <typename T>
Result<T> read_struct(ElfFile& file, std::uint64_t address) {
  T value{};
  auto done = file.read(address, std::as_writable_bytes(std::span(&value, 1)));
  if (!done) return done.error();
  return value;
}

}  // namespace

Result<std::uint64_t> ElfFile::function_begin(std::uint64_t address) {
  auto where = section(".eh_frame_hdr");
  if (!where) return where.error();
  auto table = read_struct<UnwindTable>(*this, where->address);
  if (!table) return table.error();
  if (table->version != 1 || table->count_encoding != kUdata4 || table->table_encoding != kSdata4FromSection)
    return missing("no table of functions in a known encoding");
  const auto entry = [&](std::uint64_t index) {
    return read_struct<UnwindEntry>(*this, where->address + sizeof(UnwindTable) + index * sizeof(UnwindEntry));
  };
  const auto begin_of = [&](const UnwindEntry& found) {
    return where->address + static_cast<std::uint64_t>(static_cast<std::int64_t>(found.function));
  };
  std::uint64_t low = 0, high = table->count;  // the last entry at or below `address` is in [low, high)
  while (high - low > 1) {
    const std::uint64_t middle = low + (high - low) / 2;
    auto found = entry(middle);
    if (!found) return found.error();
    (begin_of(*found) <= address ? low : high) = middle;
  }
  if (table->count == 0) return missing("no function there");
  auto found = entry(low);
  if (!found) return found.error();
  if (begin_of(*found) > address) return missing("no function there");
  return begin_of(*found);
}

Result<ElfSection> ElfFile::section(std::string_view name) {
  std::size_t names = 0;
  if (elf_getshdrstrndx(elf_->elf, &names) != 0) return missing("no section names");
  Elf_Scn* section = elf_->find([&](const Elf64_Shdr& header) {
    const char* found = elf_strptr(elf_->elf, names, header.sh_name);
    return found && name == found;
  });
  if (!section) return missing("no section " + std::string(name));
  const Elf64_Shdr* header = elf64_getshdr(section);
  return ElfSection{header->sh_addr, header->sh_offset, header->sh_size};
}

std::optional<std::string> ElfFile::build_id() {
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_->elf, section));) {
    const Elf64_Shdr* header = elf64_getshdr(section);
    if (!header || header->sh_type != SHT_NOTE) continue;
    if (auto id = build_id_in(elf_->bytes(section))) return id;
  }
  return std::nullopt;
}

Result<void> ElfFile::read(std::uint64_t address, std::span<std::byte> out) {
  for (const ElfSegment& segment : segments_) {
    if (address < segment.address || address - segment.address > segment.file_size) continue;
    const std::uint64_t within = address - segment.address;
    if (out.size() > segment.file_size - within) continue;
    if (segment.offset > elf_->file_size || within > elf_->file_size - segment.offset) continue;
    const ssize_t count = pread(elf_->fd, out.data(), out.size(), static_cast<off_t>(segment.offset + within));
    if (count == static_cast<ssize_t>(out.size())) return {};
  }
  return Error{ErrorKind::unreadable, path_ + " does not have these bytes", RemoteAddr(address)};
}

}  // namespace hang
