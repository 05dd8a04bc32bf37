#include "hosts/core/minidump.h"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <string>

#include "hosts/native/memory_map.h"

namespace hang::core {
namespace {

// llvm/BinaryFormat/Minidump.h and MinidumpConstants.def; the format is Microsoft's and Breakpad's.
constexpr std::uint32_t kMagic = 0x504d444d;  // "MDMP"
constexpr std::uint32_t kThreads = 3, kMemory = 5, kSystem = 7, kMemory64 = 9, kMisc = 15;
constexpr std::uint32_t kLinuxAuxv = 0x47670008, kLinuxMaps = 0x47670009;
constexpr std::uint16_t kAmd64 = 9;
constexpr std::uint32_t kMaxStreams = 4096, kMaxThreads = 1 << 20, kMaxText = 16U << 20, kMaxAuxv = 4096;
constexpr std::uint64_t kMaxRanges = 1 << 19;

struct Header {
  std::uint32_t magic, version, streams, directory;
};
struct Stream {
  std::uint32_t type, size, offset;
};
struct Location {
  std::uint32_t size, offset;
};
struct Range {
  std::uint64_t begin;
  Location bytes;
};
struct Range64 {
  std::uint64_t begin, size;
};
struct Thread {
  std::uint32_t id, suspended, priority_class, priority;
  std::uint64_t environment;
  Range stack;
  Location context;
};
static_assert(sizeof(Thread) == 48 && sizeof(Range) == 16 && sizeof(Stream) == 12);

// CONTEXT of x86-64 (winnt.h): where the registers are that a system call has its arguments in.
struct Context {
  std::uint64_t before[15];
  std::uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rip;
};
static_assert(offsetof(Context, rax) == 0x78 && offsetof(Context, rip) == 0xf8);

class Reader {
 public:
  Reader(const FileBytes& file, std::vector<CoreSegment>& segments, CoreNotes& notes)
      : file_(&file), segments_(&segments), notes_(&notes) {}

  void read(const Stream& stream);
  [[nodiscard]] bool amd64() const { return amd64_; }
  // The ranges of Memory64List lie one behind the other, without offsets. LLDB 22 writes fewer bytes of a range that it
  // cannot read to its end than the list says, and then every later range is elsewhere.
  [[nodiscard]] bool shifted() const { return shifted_; }

 private:
  void read_threads(const Stream& stream);
  void read_memory(const Stream& stream);
  void read_memory64(const Stream& stream);
  void read_auxv(const Stream& stream);
  void read_maps(const Stream& stream);
  void add(std::uint64_t begin, std::uint64_t size, std::uint64_t offset);
  void incomplete(const char* why) {
    if (!notes_->incomplete) notes_->incomplete = why;
  }

  const FileBytes* file_;
  std::vector<CoreSegment>* segments_;
  CoreNotes* notes_;
  bool amd64_ = false, shifted_ = false;
};

void Reader::add(std::uint64_t begin, std::uint64_t size, std::uint64_t offset) {
  const std::uint64_t there = offset < file_->size() ? std::min(size, file_->size() - offset) : 0;
  if (there < size) incomplete("the core is cut off in its memory");
  if (size != 0 && begin + size > begin) segments_->push_back({begin, begin + size, offset, there, true, true, true});
}

void Reader::read_threads(const Stream& stream) {
  const std::uint32_t count = file_->value<std::uint32_t>(stream.offset).value_or(0);
  for (std::uint32_t i = 0; i < std::min(count, kMaxThreads); ++i) {
    const auto thread =
        file_->value<Thread>(std::uint64_t{stream.offset} + sizeof count + std::uint64_t{i} * sizeof(Thread));
    if (!thread) return incomplete("the core is cut off in its threads");
    TargetThread found;
    found.tid = thread->id;
    const auto context = file_->value<Context>(thread->context.offset);
    if (context && thread->context.size >= sizeof(Context)) {
      ThreadRegisters registers;
      registers.pc = context->rip;
      registers.sp = context->rsp;
      registers.syscall_known = false;
      registers.result = static_cast<std::int64_t>(context->rax);
      const std::uint64_t args[6] = {context->rdi, context->rsi, context->rdx, context->r10, context->r8, context->r9};
      std::memcpy(registers.args, args, sizeof args);
      found.registers = registers;
    }
    notes_->threads.push_back(found);
  }
}

void Reader::read_memory(const Stream& stream) {
  const std::uint32_t count = file_->value<std::uint32_t>(stream.offset).value_or(0);
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(count, kMaxRanges); ++i) {
    const auto range = file_->value<Range>(stream.offset + sizeof count + i * sizeof(Range));
    if (!range) return incomplete("the core is cut off in its list of memory");
    add(range->begin, range->bytes.size, range->bytes.offset);
  }
}

void Reader::read_memory64(const Stream& stream) {
  struct {
    std::uint64_t count, offset;
  } head{};
  if (!file_->read(stream.offset, std::as_writable_bytes(std::span(&head, 1))))
    return incomplete("the core is cut off in its list of memory");
  for (std::uint64_t i = 0; i < std::min(head.count, kMaxRanges); ++i) {
    const auto range = file_->value<Range64>(stream.offset + sizeof head + i * sizeof(Range64));
    if (!range) return incomplete("the core is cut off in its list of memory");
    add(range->begin, range->size, head.offset);
    if (head.offset + range->size < head.offset) return;  // they wrap around
    head.offset += range->size;
  }
  shifted_ = head.offset > file_->size();
}

void Reader::read_auxv(const Stream& stream) {
  std::vector<Elf64_auxv_t> vector(std::min(stream.size, kMaxAuxv) / sizeof(Elf64_auxv_t));
  if (vector.empty() || !file_->read(stream.offset, std::as_writable_bytes(std::span(vector)))) return;
  for (const auto& entry : vector)
    if (entry.a_type == AT_ENTRY) notes_->entry = entry.a_un.a_val;
}

void Reader::read_maps(const Stream& stream) {
  std::string text(std::min(stream.size, kMaxText), '\0');
  text.resize(file_->read_some(stream.offset, std::as_writable_bytes(std::span(text))));
  auto mappings = native::parse_maps(text);
  const auto before = [](const auto& a, const auto& b) { return a.begin < b.begin; };
  std::stable_sort(mappings.begin(), mappings.end(), before);
  for (const auto& mapping : mappings)
    if (mapping.file_backed()) notes_->files.push_back({mapping.begin, mapping.end, mapping.offset, mapping.path});
  for (CoreSegment& segment : *segments_) {
    const auto after = std::upper_bound(mappings.begin(), mappings.end(), segment.begin,
                                        [](std::uint64_t at, const auto& mapping) { return at < mapping.begin; });
    if (after == mappings.begin() || segment.begin >= std::prev(after)->end) continue;
    segment.readable = std::prev(after)->readable;
    segment.writable = std::prev(after)->writable;
    segment.executable = std::prev(after)->executable;
  }
}

void Reader::read(const Stream& stream) {
  switch (stream.type) {
    case kThreads: return read_threads(stream);
    case kMemory: return read_memory(stream);
    case kMemory64: return read_memory64(stream);
    case kSystem: amd64_ = file_->value<std::uint16_t>(stream.offset) == kAmd64; return;
    case kMisc: notes_->pid = file_->value<std::uint32_t>(std::uint64_t{stream.offset} + 8).value_or(0); return;
    case kLinuxAuxv: return read_auxv(stream);
    case kLinuxMaps: return read_maps(stream);
    default: return;
  }
}

}  // namespace

bool is_minidump(const FileBytes& file) {
  return file.value<std::uint32_t>(0) == kMagic;
}

Result<void> read_minidump(const FileBytes& file, std::vector<CoreSegment>& segments, CoreNotes& notes) {
  const auto header = file.value<Header>(0);
  if (!header || header->streams > kMaxStreams) return Error{ErrorKind::io, "is cut off in its minidump header"};
  std::vector<Stream> streams(header->streams);
  if (streams.empty() || !file.read(header->directory, std::as_writable_bytes(std::span(streams))))
    return Error{ErrorKind::io, "is cut off in its list of streams"};
  // The map says what the memory before it is.
  std::stable_partition(streams.begin(), streams.end(), [](const Stream& s) { return s.type != kLinuxMaps; });
  Reader reader(file, segments, notes);
  for (const Stream& stream : streams) reader.read(stream);
  if (!reader.amd64()) return Error{ErrorKind::io, "is a minidump of another machine; only x86-64 is read"};
  if (reader.shifted())
    return Error{
        ErrorKind::io,
        "has less memory than its list says: it is cut off, or its writer left some out, and where the rest is "
        "is not certain"};
  return {};
}

}  // namespace hang::core
