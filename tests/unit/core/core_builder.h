// CoreBuilder: a small ELF core of an x86-64 process, byte by byte, for tests that then break it.
#pragma once

#include <cstdint>
#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hang::test {

template <typename T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline Elf64_Ehdr elf_header(std::uint16_t type, std::size_t segments) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = type;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(segments);
  return header;
}

class CoreBuilder {
 public:
  struct Segment {
    std::uint64_t address = 0;
    std::string bytes;
    std::uint64_t memory_size = 0;  // 0 = that of the bytes
    std::uint32_t flags = PF_R | PF_W;
  };
  struct File {
    std::uint64_t begin = 0, end = 0, page = 0;
    std::string path;
  };
  std::vector<Segment> segments;
  std::vector<File> files;

  void note(std::uint32_t type, const std::string& descriptor) {
    append(notes_, Elf64_Nhdr{5, static_cast<Elf64_Word>(descriptor.size()), type});
    notes_.append("CORE\0\0\0", 8);
    notes_ += descriptor;
    notes_.resize((notes_.size() + 3) / 4 * 4);
  }
  void thread(int tid, std::int64_t syscall, std::uint64_t first_argument = 0, std::uint64_t held = 0) {
    prstatus_t status{};
    user_regs_struct regs{};
    regs.orig_rax = static_cast<unsigned long long>(syscall);
    regs.rdi = first_argument;
    regs.rip = 0x1000u + static_cast<unsigned>(tid);
    status.pr_pid = tid;
    status.pr_sighold = held;
    status.pr_ppid = 7;
    std::memcpy(&status.pr_reg, &regs, sizeof regs);
    std::string descriptor;
    append(descriptor, status);
    note(NT_PRSTATUS, descriptor);
  }
  void process(int pid) {
    prpsinfo_t info{};
    info.pr_pid = pid;
    std::string descriptor;
    append(descriptor, info);
    note(NT_PRPSINFO, descriptor);
  }
  void entry(std::uint64_t address) {
    std::string descriptor;
    append(descriptor, Elf64_auxv_t{AT_ENTRY, {address}});
    append(descriptor, Elf64_auxv_t{AT_NULL, {0}});
    note(NT_AUXV, descriptor);
  }
  // The list of `files`, which may claim to be another length.
  void list_files(std::int64_t claimed = -1) {
    std::string descriptor, names;
    append(descriptor, static_cast<std::uint64_t>(claimed < 0 ? files.size() : claimed));
    append(descriptor, std::uint64_t{4096});
    for (const File& file : files) {
      append(descriptor, file.begin);
      append(descriptor, file.end);
      append(descriptor, file.page);
      names += file.path + '\0';
    }
    note(NT_FILE, descriptor + names);
  }

  [[nodiscard]] std::string build() const {
    std::string core;
    append(core, elf_header(ET_CORE, segments.size() + 1));
    std::uint64_t offset = sizeof(Elf64_Ehdr) + (segments.size() + 1) * sizeof(Elf64_Phdr);
    Elf64_Phdr header{};
    header.p_type = PT_NOTE;
    header.p_offset = offset;
    header.p_filesz = notes_.size();
    append(core, header);
    offset += notes_.size();
    for (const Segment& segment : segments) {
      header = {};
      header.p_type = PT_LOAD;
      header.p_flags = segment.flags;
      header.p_vaddr = segment.address;
      header.p_offset = offset;
      header.p_filesz = segment.bytes.size();
      header.p_memsz = segment.memory_size != 0 ? segment.memory_size : segment.bytes.size();
      append(core, header);
      offset += segment.bytes.size();
    }
    core += notes_;
    for (const Segment& segment : segments) core += segment.bytes;
    return core;
  }

 private:
  std::string notes_;
};

// A file of given bytes that goes when it does.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& bytes = "") {
    char name[] = "/tmp/hang-core-XXXXXX";
    close(mkstemp(name));
    path_ = name;
    write(bytes);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path_); }
  void write(const std::string& bytes) const { std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace hang::test
