// CoreFile: one ELF core of an x86-64 Linux process: its memory segments and its notes, read on demand with pread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "target/target.h"

namespace hang::core {

// A range of memory that the core tells about (a PT_LOAD). Only the first `file_size` bytes are in the file: nothing is
// known here about the rest, which is not zero but absent.
struct CoreSegment {
  std::uint64_t begin = 0, end = 0;
  std::uint64_t offset = 0, file_size = 0;  // as far as the file really goes
  bool readable = false, writable = false, executable = false;
};

// One range of a file that was mapped (NT_FILE).
struct MappedFile {
  std::uint64_t begin = 0, end = 0, offset = 0;
  std::string path;
};

struct CoreNotes {
  std::vector<TargetThread> threads;  // the one that was dumped for its signal comes first
  TargetProcess process;
  std::uint64_t pid = 0;                  // 0 = not told
  std::vector<MappedFile> files;          // by address
  std::optional<std::uint64_t> entry;     // AT_ENTRY: within the executable
  bool by_kernel = false;                 // written by the kernel, not by a debugger, which leaves fields zero
  bool copied_running = false;            // by `hang snapshot`, of a process that ran on: not of one moment
  std::optional<std::string> incomplete;  // why some of it may be missing
};

// What is wrong with a core that can be used all the same.
struct CoreFlaws {
  std::uint64_t missing = 0;  // bytes that its segments claim beyond its end
  bool overlapping = false;   // segments claim the same addresses; the first one counts
};

// Holds the file open. Never maps it: it may be truncated while it is read. Nothing in it is trusted.
class CoreFile {
 public:
  // Errors: `io`, with the reason: cannot be opened, empty, no ELF file, not a core, of another machine, cut off
  // before its program headers end, without notes of threads.
  static Result<std::unique_ptr<CoreFile>> open(const std::string& path);
  // The same of an open file, which becomes ours; `path` is for messages.
  static Result<std::unique_ptr<CoreFile>> open_fd(int fd, const std::string& path);
  CoreFile(const CoreFile&) = delete;
  CoreFile& operator=(const CoreFile&) = delete;
  ~CoreFile();

  [[nodiscard]] const std::vector<CoreSegment>& segments() const { return segments_; }  // by address, disjoint
  [[nodiscard]] const CoreNotes& notes() const { return notes_; }
  [[nodiscard]] const CoreFlaws& flaws() const { return flaws_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // The segment that has `address`; null if there is none.
  [[nodiscard]] const CoreSegment* segment_at(std::uint64_t address) const;
  // The file that was mapped at `address`; null if there is none.
  [[nodiscard]] const MappedFile* mapped_at(std::uint64_t address) const;
  // The number of leading bytes of [address, address + out.size()) that are in the file.
  [[nodiscard]] std::size_t read(std::uint64_t address, std::span<std::byte> out) const;

 private:
  CoreFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  [[nodiscard]] Error refusal(const std::string& why) const;
  Result<void> read_headers();
  void add_segment(const CoreSegment& segment, std::uint64_t claimed);
  void sort_segments();

  int fd_;
  std::string path_;
  std::uint64_t size_ = 0;
  std::vector<CoreSegment> segments_;
  CoreNotes notes_;
  CoreFlaws flaws_;
};

}  // namespace hang::core
