#include "hosts/core/core_notes.h"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <fmt/format.h>
#include <sys/procfs.h>
#include <sys/user.h>
#include <utility>

namespace hang::core {
namespace {

// The kernel stops at 4 MiB of file names (MAX_FILE_NOTE_SIZE, fs/binfmt_elf.c; a sysctl may raise it).
constexpr std::uint64_t kMaxFileNote = 64U << 20, kMaxAuxv = 4096;
constexpr std::size_t kMaxThreads = 1 << 20;
constexpr std::size_t kMaxNotes = 1 << 23;

ThreadRegisters registers_of(const prstatus_t& status) {
  user_regs_struct regs{};
  static_assert(sizeof regs == sizeof status.pr_reg, "elf_gregset_t is user_regs_struct (sys/procfs.h)");
  std::memcpy(&regs, &status.pr_reg, sizeof regs);
  ThreadRegisters out;
  out.pc = regs.rip;
  out.sp = regs.rsp;
  // The kernel puts a negative value there on every other way into it (arch/x86/entry): not in a system call.
  const auto number = static_cast<std::int64_t>(regs.orig_rax);
  out.syscall = number < 0 ? -1 : number;
  const std::uint64_t args[6] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
  std::memcpy(out.args, args, sizeof args);
  out.result = static_cast<std::int64_t>(regs.rax);
  return out;
}

std::uint64_t padded(std::uint64_t size) {
  return (size + 3) & ~std::uint64_t{3};
}

}  // namespace

void NoteReader::incomplete(std::string why) {
  if (!notes_->incomplete) notes_->incomplete = std::move(why);
}

// Thousands of threads have tens of thousands of notes, each of which would be several reads.
bool NoteReader::read(std::uint64_t offset, std::span<std::byte> out) {
  constexpr std::size_t kWindow = 64 << 10;
  if (out.empty()) return true;
  if (out.size() > kWindow) return file_->read(offset, out);
  const bool inside = offset >= window_begin_ && offset - window_begin_ <= window_.size() &&
                      window_.size() - (offset - window_begin_) >= out.size();
  if (!inside) {
    window_.resize(kWindow);
    window_.resize(file_->read_some(offset, window_));
    window_begin_ = offset;
    if (window_.size() < out.size()) return false;
  }
  std::memcpy(out.data(), window_.data() + (offset - window_begin_), out.size());
  return true;
}

// A note is its name's size, its descriptor's size, its type, then name and descriptor, each padded to 4 (elf(5)).
void NoteReader::read_segment(std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t file_end = file_->size();
  std::uint64_t end = file_end;
  if (offset > file_end || size > file_end - offset)
    incomplete("the core is cut off in its notes");
  else
    end = offset + size;
  std::size_t count = 0;
  for (std::uint64_t at = offset; at < end && end - at >= sizeof(Elf64_Nhdr); ++count) {
    const auto header = value<Elf64_Nhdr>(at);
    if (!header || count >= kMaxNotes) return incomplete("the notes cannot be read to their end");
    const std::uint64_t name = at + sizeof(Elf64_Nhdr), descriptor = name + padded(header->n_namesz);
    if (descriptor > end || header->n_descsz > end - descriptor)
      return incomplete("a note claims more bytes than there are");
    // "CORE" with its terminator (fs/binfmt_elf.c), or our own; others are of no use here.
    char text[5] = {};
    const bool named = header->n_namesz == sizeof text && read(name, std::as_writable_bytes(std::span(text)));
    if (named && std::memcmp(text, "CORE", sizeof text) == 0)
      take({header->n_type, descriptor, header->n_descsz});
    else if (named && std::memcmp(text, kOwnNotes, sizeof text) == 0 && header->n_type == kCopiedRunning)
      notes_->copied_running = true;
    at = descriptor + padded(header->n_descsz);
  }
}

void NoteReader::take(const Note& note) {
  // The kernel begins with the thread that died (fill_note_info, fs/binfmt_elf.c), debuggers with NT_PRPSINFO.
  if (std::exchange(first_, false)) notes_->by_kernel = note.type == NT_PRSTATUS;
  switch (note.type) {
    case NT_PRSTATUS: return take_status(note);
    case NT_PRPSINFO: return take_process(note);
    case NT_AUXV: return take_auxv(note);
    case NT_FILE: return take_files(note);
    default: return;
  }
}

void NoteReader::take_status(const Note& note) {
  if (note.size != sizeof(prstatus_t)) return incomplete("the registers of a thread are of an unknown size");
  if (notes_->threads.size() >= kMaxThreads) return incomplete("it has more threads than any process");
  const auto status = value<prstatus_t>(note.offset);
  if (!status) return incomplete("the registers of a thread cannot be read");
  TargetThread thread;
  thread.tid = static_cast<std::uint64_t>(static_cast<std::uint32_t>(status->pr_pid));
  thread.registers = registers_of(*status);
  user_regs_struct regs{};
  std::memcpy(&regs, &status->pr_reg, sizeof regs);
  if (regs.fs_base != 0) thread.thread_pointer = regs.fs_base;
  // gdb and others leave zero there, which says nothing.
  if (notes_->by_kernel || status->pr_sighold != 0) thread.blocked_signals = status->pr_sighold;
  if (notes_->by_kernel || status->pr_sigpend != 0) thread.pending_signals = status->pr_sigpend;
  if (notes_->threads.empty()) {
    first_status_pid_ = thread.tid;
    if (notes_->by_kernel) notes_->process = {status->pr_ppid, status->pr_pgrp, status->pr_sid};
  }
  notes_->threads.push_back(thread);
}

void NoteReader::take_process(const Note& note) {
  const auto info = note.size == sizeof(prpsinfo_t) ? value<prpsinfo_t>(note.offset) : std::nullopt;
  if (info && info->pr_pid > 0) notes_->pid = static_cast<std::uint64_t>(info->pr_pid);
}

void NoteReader::take_auxv(const Note& note) {
  if (note.size > kMaxAuxv) return;
  std::vector<Elf64_auxv_t> vector(note.size / sizeof(Elf64_auxv_t));
  if (!read(note.offset, std::as_writable_bytes(std::span(vector)))) return;
  for (const auto& entry : vector)
    if (entry.a_type == AT_ENTRY) notes_->entry = entry.a_un.a_val;
}

// fill_files_note (fs/binfmt_elf.c): count, page size, then (start, end, offset in pages) for each, then their names,
// each with its terminator.
void NoteReader::take_files(const Note& note) {
  struct Range {
    std::uint64_t begin, end, page;
  };
  std::uint64_t head[2] = {};
  if (note.size > kMaxFileNote || note.size < sizeof head) return incomplete("its list of mapped files is unusable");
  std::vector<std::byte> bytes(note.size);
  if (!read(note.offset, bytes)) return incomplete("its list of mapped files cannot be read");
  std::memcpy(head, bytes.data(), sizeof head);
  const std::uint64_t room = (bytes.size() - sizeof head) / sizeof(Range);
  if (head[0] > room) return incomplete("its list of mapped files claims more files than it has");
  std::size_t at = sizeof head + head[0] * sizeof(Range);
  for (std::uint64_t i = 0; i < head[0]; ++i) {
    Range range{};
    std::memcpy(&range, bytes.data() + sizeof head + i * sizeof range, sizeof range);
    const auto* name = reinterpret_cast<const char*>(bytes.data()) + at;
    const std::size_t length = strnlen(name, bytes.size() - at);
    if (at + length >= bytes.size()) return incomplete("its list of mapped files is cut off");
    at += length + 1;
    if (range.begin < range.end)
      notes_->files.push_back({range.begin, range.end, range.page * head[1], std::string(name, length)});
  }
}

void NoteReader::finish() {
  if (notes_->pid == 0) notes_->pid = first_status_pid_;
  std::stable_sort(notes_->files.begin(), notes_->files.end(),
                   [](const MappedFile& a, const MappedFile& b) { return a.begin < b.begin; });
}

}  // namespace hang::core
