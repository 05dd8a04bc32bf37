// ElfFile: the symbols, segments and sections of one ELF file, read on demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hang {

// A definition in a symbol table. Addresses are the file's own (add a Module's load_bias).
struct ElfSymbol {
  std::string name;
  std::uint64_t address = 0, size = 0;
  bool function = false, object = false, local = false;
};

struct ElfSection {
  std::uint64_t address = 0, offset = 0, size = 0;
};

// One PT_LOAD.
struct ElfSegment {
  std::uint64_t address = 0, offset = 0, file_size = 0, memory_size = 0;
  bool executable = false, writable = false;
};

// The PT_LOADs in the first bytes of an x86-64 ELF file or of its first mapping; empty if `head` is not the head of
// one. Program headers beyond the end of `head` are left out. Cheap: no file is opened.
std::vector<ElfSegment> elf_segments_of_head(std::span<const std::byte> head);

// Reads `out.size()` bytes that lie at `address` of an ELF file when it is loaded and at `offset` in the file; false
// unless all of them are there.
using ReadElf = std::function<bool(std::uint64_t address, std::uint64_t offset, std::span<std::byte> out)>;
// The build id (lower-case hexadecimal NT_GNU_BUILD_ID) by the program headers in `head`, as elf_segments_of_head takes
// it: the same for a file and for its memory. Nothing if there is none, or it cannot be read.
std::optional<std::string> build_id_of_head(std::span<const std::byte> head, const ReadElf& read);

// An ELF64 x86-64 executable or shared object. Holds the file open; tables are read when first asked for.
// Not thread-safe. The file may be hostile: every failure is an Error.
class ElfFile {
 public:
  enum class Type { executable, shared };  // ET_EXEC; ET_DYN (also a PIE)

  // Errors: `io` (cannot be opened), `no_symbols` (not a 64-bit x86-64 ELF executable or shared object).
  static Result<std::unique_ptr<ElfFile>> open(const std::string& path);
  // Reads memory of a process: the number of leading bytes that are there.
  using ReadMemory = std::function<std::size_t(std::uint64_t address, std::span<std::byte> out)>;
  // The same from the memory that a module was loaded into, for a file that is not there any more: `begin` is the
  // address of its ELF header, `load_bias` what was added to its addresses. It has no sections and so no .symtab; the
  // exported symbols are those of its dynamic segment. Errors: `unreadable`, `no_symbols`, `io` (no memory file).
  static Result<std::unique_ptr<ElfFile>> open_image(const ReadMemory& read, std::uint64_t begin,
                                                     std::uint64_t load_bias, const std::string& name);
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;
  ~ElfFile();

  [[nodiscard]] Type type() const { return type_; }
  [[nodiscard]] const std::vector<ElfSegment>& segments() const { return segments_; }
  // Lowest PT_LOAD address; 0 if there is none.
  [[nodiscard]] std::uint64_t lowest_address() const;

  // The definition of exactly `name` in .dynsym (what other modules can link to), which is found by the dynamic segment
  // where there are no section headers. `no_symbols` if there is none; an undefined reference is none.
  Result<ElfSymbol> exported(std::string_view name);
  // The same in .dynsym, then in .symtab.
  Result<ElfSymbol> symbol(std::string_view name);
  // Every definition of `name` in .symtab, also under the names that compilers derive from it ("wakeup.lto_priv.0"):
  // several source files may have a static of that name. Empty if stripped.
  std::vector<ElfSymbol> definitions(std::string_view name);
  // The function that covers `address`. `no_symbols` if none does; never the nearest one below.
  Result<ElfSymbol> function_at(std::uint64_t address);

  // Where the function that has `address` begins, by the table of .eh_frame_hdr, which stripped files have too.
  // `no_symbols` if there is no such table.
  Result<std::uint64_t> function_begin(std::uint64_t address);

  Result<ElfSection> section(std::string_view name);
  // Lower-case hexadecimal NT_GNU_BUILD_ID, or nothing.
  std::optional<std::string> build_id();
  // Bytes that the file gives for [address, address + out.size()), which must not include any that it does not have.
  Result<void> read(std::uint64_t address, std::span<std::byte> out);

 private:
  struct Libelf;  // libelf's types stay out of the header
  struct Function {
    std::uint64_t address = 0, size = 0;
    std::uint32_t table = 0, index = 0;
  };

  ElfFile(std::string path, std::unique_ptr<Libelf> elf);
  static Result<std::unique_ptr<ElfFile>> open_fd(int fd, const std::string& name, std::uint64_t load_bias);
  Result<void> read_headers();
  void load_functions();
  [[nodiscard]] std::optional<Function> scan_functions(std::uint64_t address) const;
  [[nodiscard]] Error missing(std::string_view what) const;

  std::string path_;
  std::unique_ptr<Libelf> elf_;
  Type type_ = Type::shared;
  std::vector<ElfSegment> segments_;
  std::optional<std::vector<Function>> functions_;  // sorted by address
  unsigned scans_ = 0;
};

}  // namespace hang
