#include "hosts/core/core_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hosts/core/core_notes.h"
#include "hosts/core/file_bytes.h"
#include "hosts/core/minidump.h"

namespace hang::core {
namespace {

// vm.max_map_count is 65530 unless somebody raised it; more is a forged header.
constexpr std::uint64_t kMaxSegments = 1 << 19;
constexpr std::size_t kHeadersAtOnce = 1024;

// Why a file with this header is no core of ours; empty if it is one.
std::string why_not_core(const Elf64_Ehdr& header) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "is not an ELF file";
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return "is of a 32-bit process; only x86-64 is read";
  if (header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64)
    return fmt::format("is of another machine (ELF machine {}); only x86-64 is read", header.e_machine);
  if (header.e_type != ET_CORE) return "is an ELF file, but not a core";
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return "has program headers of an unknown size";
  return {};
}

// Of ranges in order of their begins.
template <typename Range>
const Range* range_at(const std::vector<Range>& ranges, std::uint64_t address) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), address,
                                      [](std::uint64_t wanted, const Range& range) { return wanted < range.begin; });
  if (after == ranges.begin() || address >= std::prev(after)->end) return nullptr;
  return &*std::prev(after);
}

}  // namespace

CoreFile::~CoreFile() {
  close(fd_);
}

Error CoreFile::refusal(const std::string& why) const {
  return Error{ErrorKind::io, path_ + " " + why};
}

Result<std::unique_ptr<CoreFile>> CoreFile::open(const std::string& path) {
  // O_NONBLOCK: a FIFO would wait for its writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Error{ErrorKind::io, "cannot open " + path + ": " + std::strerror(errno)};
  return open_fd(fd, path);
}

Result<std::unique_ptr<CoreFile>> CoreFile::open_fd(int fd, const std::string& path) {
  std::unique_ptr<CoreFile> core(new CoreFile(fd, path));
  struct stat status {};
  if (fstat(fd, &status) != 0) return core->refusal(std::string("cannot be read: ") + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return core->refusal("is not a regular file");
  core->size_ = static_cast<std::uint64_t>(status.st_size);
  if (auto done = core->read_headers(); !done) return done.error();
  return core;
}

Result<void> CoreFile::read_headers() {
  const FileBytes file(fd_, size_);
  if (size_ == 0) return refusal("is empty");
  if (is_minidump(file)) {
    if (auto done = read_minidump(file, segments_, notes_); !done) return refusal(done.error().message);
    sort_segments();
    if (notes_.threads.empty()) return refusal("has no list of threads");
    return {};
  }
  const auto header = file.value<Elf64_Ehdr>(0);
  if (!header) return refusal("is cut off in its ELF header, or is no ELF file");
  if (const auto why = why_not_core(*header); !why.empty()) return refusal(why);
  std::uint64_t count = header->e_phnum;
  if (count == PN_XNUM) {  // more than 65534: the first section header has the number (elf(5))
    const auto section = file.value<Elf64_Shdr>(header->e_shoff);
    if (!section) return refusal("has more segments than its header can count, and no section to count them");
    count = section->sh_info;
  }
  if (count > kMaxSegments) return refusal(fmt::format("claims {} segments, more than any process has", count));
  std::vector<Elf64_Phdr> headers;
  NoteReader notes(file, notes_);
  for (std::uint64_t first = 0; first < count; first += headers.size()) {
    headers.resize(std::min<std::uint64_t>(kHeadersAtOnce, count - first));
    const auto at = header->e_phoff + first * sizeof(Elf64_Phdr);
    if (at < header->e_phoff || !file.read(at, std::as_writable_bytes(std::span(headers))))
      return refusal("is cut off in its program headers");
    for (const Elf64_Phdr& program : headers) {
      if (program.p_type == PT_NOTE) notes.read_segment(program.p_offset, program.p_filesz);
      if (program.p_type != PT_LOAD) continue;
      add_segment({program.p_vaddr, program.p_vaddr + program.p_memsz, program.p_offset, 0,
                   (program.p_flags & PF_R) != 0, (program.p_flags & PF_W) != 0, (program.p_flags & PF_X) != 0},
                  std::min(program.p_filesz, program.p_memsz));
    }
  }
  notes.finish();
  sort_segments();
  if (notes_.threads.empty())
    return refusal(notes_.incomplete ? "is cut off before the notes of its threads" : "has no notes of threads");
  return {};
}

void CoreFile::add_segment(const CoreSegment& segment, std::uint64_t claimed) {
  if (segment.end <= segment.begin) return;  // empty, or wrapping around
  CoreSegment added = segment;
  const std::uint64_t in_file = segment.offset < size_ ? size_ - segment.offset : 0;
  added.file_size = std::min(claimed, in_file);
  // The sum of lies may wrap; it is for a message.
  flaws_.missing += claimed - added.file_size;
  segments_.push_back(added);
}

void CoreFile::sort_segments() {
  const auto before = [](const CoreSegment& a, const CoreSegment& b) { return a.begin < b.begin; };
  std::stable_sort(segments_.begin(), segments_.end(), before);
  std::vector<CoreSegment> disjoint;
  disjoint.reserve(segments_.size());
  for (CoreSegment segment : segments_) {
    const std::uint64_t taken = disjoint.empty() ? 0 : disjoint.back().end;
    if (segment.begin < taken) {
      flaws_.overlapping = true;
      if (segment.end <= taken) continue;
      const std::uint64_t cut = taken - segment.begin;
      segment.begin = taken;
      segment.offset += cut;
      segment.file_size -= std::min(cut, segment.file_size);
    }
    disjoint.push_back(segment);
  }
  segments_ = std::move(disjoint);
}

const CoreSegment* CoreFile::segment_at(std::uint64_t address) const {
  return range_at(segments_, address);
}

const MappedFile* CoreFile::mapped_at(std::uint64_t address) const {
  return range_at(notes_.files, address);
}

std::size_t CoreFile::read(std::uint64_t address, std::span<std::byte> out) const {
  const FileBytes file(fd_, size_);
  std::size_t done = 0;
  while (done < out.size()) {
    const CoreSegment* segment = address > UINT64_MAX - done ? nullptr : segment_at(address + done);
    if (segment == nullptr) break;
    const std::uint64_t within = address + done - segment->begin;
    if (within >= segment->file_size) break;
    const auto wanted = std::min<std::uint64_t>(out.size() - done, segment->file_size - within);
    const std::size_t got = file.read_some(segment->offset + within, out.subspan(done, wanted));
    done += got;
    if (got < wanted) break;
  }
  return done;
}

}  // namespace hang::core
