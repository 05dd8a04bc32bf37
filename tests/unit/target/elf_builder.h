// ElfBuilder: a small but whole x86-64 ELF file in memory, for tests that then break it.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace hang::test {

// A shared object with one PT_LOAD (the whole file, at kAddress), a .dynsym, a .symtab and their strings.
class ElfBuilder {
 public:
  static constexpr std::uint64_t kAddress = 0x10000;

  struct Symbol {
    std::string name;
    std::uint64_t address = 0, size = 0;
    unsigned char type = STT_OBJECT;
    std::uint16_t section = 1;
  };
  std::vector<Symbol> exported, local;
  std::uint16_t type = ET_DYN, machine = EM_X86_64;

  [[nodiscard]] std::vector<char> build() const {
    std::vector<char> file(sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr));
    std::vector<Elf64_Shdr> sections(1);
    std::string names(1, '\0');
    add_table(file, sections, names, exported, SHT_DYNSYM, ".dynsym");
    add_table(file, sections, names, local, SHT_SYMTAB, ".symtab");
    Elf64_Shdr strings = section(names, ".shstrtab", SHT_STRTAB);
    place(file, strings, names.data(), names.size());
    sections.push_back(strings);

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = type;
    header.e_machine = machine;
    header.e_version = EV_CURRENT;
    header.e_ehsize = sizeof header;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    header.e_shoff = (file.size() + 7) / 8 * 8;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = static_cast<Elf64_Half>(sections.size());
    header.e_shstrndx = static_cast<Elf64_Half>(sections.size() - 1);
    file.resize(header.e_shoff + sections.size() * sizeof(Elf64_Shdr));
    std::memcpy(file.data() + header.e_shoff, sections.data(), sections.size() * sizeof(Elf64_Shdr));
    std::memcpy(file.data(), &header, sizeof header);
    Elf64_Phdr load{};
    load.p_type = PT_LOAD;
    load.p_flags = PF_R | PF_X;
    load.p_vaddr = kAddress;
    load.p_filesz = load.p_memsz = file.size();
    std::memcpy(file.data() + sizeof header, &load, sizeof load);
    return file;
  }

 private:
  static Elf64_Shdr section(std::string& names, const char* name, std::uint32_t type) {
    Elf64_Shdr header{};
    header.sh_name = static_cast<std::uint32_t>(names.size());
    header.sh_type = type;
    header.sh_addralign = 8;
    names += name;
    names += '\0';
    return header;
  }
  static void place(std::vector<char>& file, Elf64_Shdr& header, const void* bytes, std::size_t size) {
    file.resize((file.size() + 7) / 8 * 8);
    header.sh_offset = file.size();
    header.sh_size = size;
    file.resize(file.size() + size);
    std::memcpy(file.data() + header.sh_offset, bytes, size);
  }
  static void add_table(std::vector<char>& file, std::vector<Elf64_Shdr>& sections, std::string& names,
                        const std::vector<Symbol>& symbols, std::uint32_t type, const char* name) {
    std::vector<Elf64_Sym> table(1);
    std::string strings(1, '\0');
    for (const Symbol& symbol : symbols) {
      Elf64_Sym entry{};
      entry.st_name = static_cast<std::uint32_t>(strings.size());
      entry.st_info =
          static_cast<unsigned char>(ELF64_ST_INFO(type == SHT_DYNSYM ? STB_GLOBAL : STB_LOCAL, symbol.type));
      entry.st_shndx = symbol.section;
      entry.st_value = symbol.address;
      entry.st_size = symbol.size;
      strings += symbol.name + '\0';
      table.push_back(entry);
    }
    Elf64_Shdr header = section(names, name, type);
    header.sh_entsize = sizeof(Elf64_Sym);
    header.sh_link = static_cast<std::uint32_t>(sections.size() + 1);
    place(file, header, table.data(), table.size() * sizeof(Elf64_Sym));
    sections.push_back(header);
    Elf64_Shdr linked = section(names, ".strings", SHT_STRTAB);
    place(file, linked, strings.data(), strings.size());
    sections.push_back(linked);
  }
};

// A file that is removed with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<char>& bytes) : path_("/tmp/hang-elf-XXXXXX") {
    const int fd = mkstemp(path_.data());
    if (fd >= 0) close(fd);
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace hang::test
