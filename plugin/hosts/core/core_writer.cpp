#include "hosts/core/core_writer.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <span>
#include <string_view>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>
#include <vector>

#include "hosts/core/core_notes.h"
#include "hosts/native/memory_map.h"
#include "hosts/native/native_target.h"
#include "hosts/native/process_status.h"

namespace hang::core {
namespace {

using native::Mapping;

constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kPagesAtOnce = 256;

template <typename T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_note(std::string& notes, std::uint32_t type, std::string_view descriptor, const char* name = "CORE") {
  append(notes, Elf64_Nhdr{5, static_cast<Elf64_Word>(descriptor.size()), type});
  notes.append(name, 5).append(3, '\0');
  notes += descriptor;
  notes.resize((notes.size() + 3) & ~std::size_t{3});
}

// "NR A0 A1 A2 A3 A4 A5 SP PC", "-1 SP PC" or "running" (proc_pid_syscall, fs/proc/base.c).
user_regs_struct registers_of(std::string_view text) {
  user_regs_struct regs{};
  regs.orig_rax = static_cast<unsigned long long>(-1);
  std::int64_t number = -1;
  const auto first = std::from_chars(text.data(), text.data() + text.size(), number);
  if (first.ec != std::errc()) return regs;
  regs.orig_rax = static_cast<unsigned long long>(number);
  std::vector<unsigned long long> words;
  text.remove_prefix(static_cast<std::size_t>(first.ptr - text.data()));
  for (std::size_t at = 0; (at = text.find("0x", at)) != std::string_view::npos;) {
    at += 2;
    std::from_chars(text.data() + at, text.data() + text.size(), words.emplace_back(), 16);
  }
  if (words.size() < 2) return regs;
  regs.rip = words.back();
  regs.rsp = words[words.size() - 2];
  if (words.size() < 8) return regs;
  regs.rdi = words[0];
  regs.rsi = words[1];
  regs.rdx = words[2];
  regs.r10 = words[3];
  regs.r8 = words[4];
  regs.r9 = words[5];
  return regs;
}

// The last number of the line "NSpid:": what the process itself calls it, as the kernel's cores do (task_pid_vnr in
// fill_psinfo and fill_prstatus, fs/binfmt_elf.c). `own` where the kernel does not tell.
int number_inside(const Result<std::string>& status, std::uint64_t own) {
  constexpr std::string_view kLabel = "\nNSpid:";
  const std::string_view text = status ? std::string_view(*status) : std::string_view();
  const auto at = text.find(kLabel);
  const auto line = at == text.npos ? std::string_view() : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  const auto last = line.substr(line.find_last_of("\t :") + 1);
  int number = 0;
  const auto parsed = std::from_chars(last.data(), last.data() + last.size(), number);
  return parsed.ec == std::errc() && number > 0 ? number : static_cast<int>(own);
}

class Writer {
 public:
  Writer(Target& target, int fd) : target_(&target), fd_(fd) {}

  Result<void> run();

 private:
  struct Segment {
    Mapping mapping;
    std::uint64_t size = 0;  // of what is written
  };
  [[nodiscard]] std::string proc(std::string_view name) const {
    return fmt::format("/proc/{}/{}", target_->pid(), name);
  }
  void choose_segments(const std::vector<Mapping>& mappings);
  Result<void> make_notes(const std::vector<Mapping>& mappings);
  Result<void> write_headers();
  Result<void> write_memory(const Segment& segment, std::uint64_t offset, int pagemap);
  Result<void> put(std::span<const std::byte> bytes, std::uint64_t offset) const;

  Target* target_;
  int fd_;
  std::string notes_;
  std::vector<Segment> segments_;
  std::uint64_t memory_offset_ = 0;
};

// vma_dump_size (fs/coredump.c) with the default filter.
void Writer::choose_segments(const std::vector<Mapping>& mappings) {
  for (const Mapping& mapping : mappings) {
    const bool file = mapping.file_backed(), shown_only = mapping.path == "[vvar]" || mapping.path == "[vsyscall]";
    const std::uint64_t all = mapping.end - mapping.begin;
    const bool shared_memory =
        mapping.path.starts_with("/dev/") || mapping.path.starts_with("/memfd:") || mapping.path.starts_with("/SYSV");
    std::uint64_t size = 0;
    if (mapping.readable && !shown_only && (!file || (mapping.writable && !shared_memory)))
      size = all;
    else if (mapping.readable && file && mapping.offset == 0 && !shared_memory)
      size = std::min(all, kPage);
    segments_.push_back({mapping, size});
  }
}

Result<void> Writer::make_notes(const std::vector<Mapping>& mappings) {
  auto threads = target_->threads();
  if (!threads) return threads.error();
  prpsinfo_t info{};
  info.pr_pid = number_inside(native::read_proc_file(proc("status")), target_->pid());
  append_note(notes_, NT_PRPSINFO, {reinterpret_cast<const char*>(&info), sizeof info});
  for (const TargetThread& thread : *threads) {
    auto text = native::read_proc_file(proc(fmt::format("task/{}/syscall", thread.tid)));
    if (!text && text.error().kind == ErrorKind::no_such_process) continue;  // it ended
    if (!text) return text.error();
    prstatus_t status{};
    status.pr_pid = number_inside(native::read_proc_file(proc(fmt::format("task/{}/status", thread.tid))), thread.tid);
    const user_regs_struct regs = registers_of(*text);
    std::memcpy(&status.pr_reg, &regs, sizeof regs);
    append_note(notes_, NT_PRSTATUS, {reinterpret_cast<const char*>(&status), sizeof status});
  }
  if (auto auxv = native::read_proc_file(proc("auxv"))) append_note(notes_, NT_AUXV, *auxv);
  std::string ranges, names;
  std::uint64_t count = 0;
  for (const Mapping& mapping : mappings) {
    if (!mapping.file_backed()) continue;
    ++count;
    for (const auto word : {mapping.begin, mapping.end, mapping.offset / kPage}) append(ranges, word);
    names += mapping.path + '\0';
  }
  std::string files;
  append(files, count);
  append(files, kPage);
  append_note(notes_, NT_FILE, files + ranges + names);
  append_note(notes_, kCopiedRunning, {}, kOwnNotes);
  return {};
}

Result<void> Writer::put(std::span<const std::byte> bytes, std::uint64_t offset) const {
  const ssize_t count = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (count == static_cast<ssize_t>(bytes.size())) return {};
  return Error{ErrorKind::io,
               fmt::format("cannot write the core: {}", count < 0 ? std::strerror(errno) : "the disk is full")};
}

Result<void> Writer::write_headers() {
  std::string bytes;
  const std::size_t count = segments_.size() + 1;
  if (count >= PN_XNUM) return Error{ErrorKind::io, "the process has more mappings than a core of this kind can hold"};
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_CORE;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(count);
  append(bytes, header);
  const std::uint64_t notes_offset = sizeof header + count * sizeof(Elf64_Phdr);
  append(bytes, Elf64_Phdr{PT_NOTE, 0, notes_offset, 0, 0, notes_.size(), 0, 4});
  memory_offset_ = (notes_offset + notes_.size() + kPage - 1) & ~(kPage - 1);
  std::uint64_t offset = memory_offset_;
  for (const Segment& segment : segments_) {
    const auto& mapping = segment.mapping;
    const std::uint32_t flags =
        (mapping.readable ? PF_R : 0U) | (mapping.writable ? PF_W : 0U) | (mapping.executable ? PF_X : 0U);
    append(bytes,
           Elf64_Phdr{PT_LOAD, flags, offset, mapping.begin, 0, segment.size, mapping.end - mapping.begin, kPage});
    offset += segment.size;
  }
  bytes += notes_;
  if (auto done = put(std::as_bytes(std::span(bytes)), 0); !done) return done;
  if (ftruncate(fd_, static_cast<off_t>(offset)) == 0) return {};
  return Error{ErrorKind::io, fmt::format("cannot write the core: {}", std::strerror(errno))};
}

// /proc/PID/pagemap: bit 63 the page is in memory, bit 62 it is swapped out. Reading a page that is neither would make
// the kernel give the process one.
Result<void> Writer::write_memory(const Segment& segment, std::uint64_t offset, int pagemap) {
  constexpr std::uint64_t kThere = std::uint64_t{3} << 62;
  std::vector<std::uint64_t> entries(kPagesAtOnce, kThere);
  std::vector<std::byte> page(kPage);
  for (std::uint64_t at = 0; at < segment.size; at += kPage) {
    const std::uint64_t address = segment.mapping.begin + at, index = at / kPage % kPagesAtOnce;
    if (index == 0 && !segment.mapping.file_backed()) {
      std::fill(entries.begin(), entries.end(), 0);
      const ssize_t got = pread(pagemap, entries.data(), entries.size() * sizeof entries[0],
                                static_cast<off_t>(address / kPage * sizeof entries[0]));
      if (got <= 0) std::fill(entries.begin(), entries.end(), kThere);
    }
    if ((entries[index] & kThere) == 0) continue;
    auto count = target_->read(RemoteAddr(address), page);
    if (!count && count.error().kind != ErrorKind::unreadable) return count.error();
    const auto bytes = std::span(page).first(count.value_or(0));
    if (std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{}; })) continue;
    if (auto done = put(bytes, offset + at); !done) return done;
  }
  return {};
}

Result<void> Writer::run() {
  auto text = native::read_proc_file(proc("maps"));
  if (!text) return text.error();
  const auto mappings = native::parse_maps(*text);
  choose_segments(mappings);
  if (auto done = make_notes(mappings); !done) return done;
  if (auto done = write_headers(); !done) return done;
  const int pagemap = open(proc("pagemap").c_str(), O_RDONLY | O_CLOEXEC);
  std::uint64_t offset = memory_offset_;
  Result<void> done;
  for (const Segment& segment : segments_) {
    done = write_memory(segment, offset, pagemap);
    if (!done) break;
    offset += segment.size;
  }
  if (pagemap >= 0) close(pagemap);
  return done;
}

}  // namespace

Result<void> write_core(std::uint64_t pid, const std::string& path) {
  auto target = native::open_process(pid);
  if (!target) return target.error();
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return Error{ErrorKind::io, fmt::format("cannot write {}: {}", path, std::strerror(errno))};
  auto done = Writer(**target, fd).run();
  if (close(fd) != 0 && done)
    done = Error{ErrorKind::io, fmt::format("cannot write {}: {}", path, std::strerror(errno))};
  if (!done) unlink(path.c_str());
  return done;
}

}  // namespace hang::core
