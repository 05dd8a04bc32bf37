#include "hosts/lldb/core_registers.h"

#include <cstring>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <memory>
#include <string_view>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>

namespace hang::lldb_host {
namespace {

// PT_NOTE holds some 2 KiB a thread; what is larger is not a core's.
constexpr std::size_t kMaxNoteBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxProgramHeaders = 1 << 20;

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
  int fd;
};

struct ElfEnd {
  void operator()(Elf* elf) const { elf_end(elf); }
};

ThreadRegisters registers_of(const prstatus_t& status) {
  user_regs_struct regs{};
  static_assert(sizeof regs == sizeof status.pr_reg, "elf_gregset_t is user_regs_struct (sys/procfs.h)");
  std::memcpy(&regs, &status.pr_reg, sizeof regs);
  ThreadRegisters out;
  out.pc = regs.rip;
  out.sp = regs.rsp;
  // The kernel puts a negative value there on every other way into it (arch/x86/entry): not in a system call.
  auto number = static_cast<std::int64_t>(regs.orig_rax);
  out.syscall = number < 0 ? -1 : number;
  const std::uint64_t args[6] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
  std::memcpy(out.args, args, sizeof args);
  return out;
}

void read_notes(Elf_Data& data, std::map<std::uint64_t, ThreadRegisters>& out) {
  GElf_Nhdr header;
  std::size_t name = 0, desc = 0;
  const auto* bytes = static_cast<const char*>(data.d_buf);
  for (std::size_t at = 0; (at = gelf_getnote(&data, at, &header, &name, &desc)) > 0;) {
    // "CORE" with its terminator (fs/binfmt_elf.c); gelf_getnote has checked that name and desc lie in the data.
    bool core = header.n_namesz == 5 && std::memcmp(bytes + name, "CORE", 5) == 0;
    if (!core || header.n_type != NT_PRSTATUS || header.n_descsz != sizeof(prstatus_t)) continue;
    prstatus_t status;
    std::memcpy(&status, bytes + desc, sizeof status);
    out.emplace(static_cast<std::uint64_t>(status.pr_pid), registers_of(status));
  }
}

}  // namespace

Result<std::map<std::uint64_t, ThreadRegisters>> read_core_registers(const std::string& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0) return Error{ErrorKind::io, "cannot open " + path + ": " + std::strerror(errno)};
  elf_version(EV_CURRENT);
  std::unique_ptr<Elf, ElfEnd> elf(elf_begin(file.fd, ELF_C_READ, nullptr));
  GElf_Ehdr header;
  std::size_t count = 0;
  if (!elf || gelf_getehdr(elf.get(), &header) == nullptr || header.e_type != ET_CORE ||
      header.e_machine != EM_X86_64 || elf_getphdrnum(elf.get(), &count) != 0 || count > kMaxProgramHeaders) {
    return Error{ErrorKind::io, path + " is not a core of an x86-64 process"};
  }
  std::map<std::uint64_t, ThreadRegisters> out;
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf.get(), static_cast<int>(i), &segment) == nullptr) break;
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMaxNoteBytes) continue;
    // Checks the range against the file's size, and gives nothing for a truncated one.
    Elf_Data* data =
        elf_getdata_rawchunk(elf.get(), static_cast<std::int64_t>(segment.p_offset), segment.p_filesz, ELF_T_NHDR);
    if (data != nullptr) read_notes(*data, out);
  }
  return out;
}

}  // namespace hang::lldb_host
