// CoreNotes: threads, registers, signals, auxiliary vector and mapped files, as the notes of a core tell them.
#pragma once

#include <cstdint>
#include <string>

#include "hosts/core/core_file.h"
#include "hosts/core/file_bytes.h"

namespace hang::core {

// The notes of `hang snapshot --core`. One type so far: the memory was copied while the process ran on.
constexpr char kOwnNotes[] = "HANG";
constexpr std::uint32_t kCopiedRunning = 1;

// Reads the note segments of one core. Bounded in memory by what the notes really hold, whatever sizes they claim.
class NoteReader {
 public:
  NoteReader(const FileBytes& file, CoreNotes& notes) : file_(&file), notes_(&notes) {}

  // The segment at `offset`. What lies beyond the end of the file is missing, and said to be.
  void read_segment(std::uint64_t offset, std::uint64_t size);
  // After the last segment.
  void finish();

 private:
  struct Note {
    std::uint32_t type = 0;
    std::uint64_t offset = 0, size = 0;  // of the descriptor
  };
  // Bytes of the notes, of which neighbours are read at once; false unless all of them are there.
  bool read(std::uint64_t offset, std::span<std::byte> out);
  template <typename T>
  std::optional<T> value(std::uint64_t offset) {
    T value{};
    if (!read(offset, std::as_writable_bytes(std::span(&value, 1)))) return std::nullopt;
    return value;
  }
  void take(const Note& note);
  void take_status(const Note& note);
  void take_process(const Note& note);
  void take_auxv(const Note& note);
  void take_files(const Note& note);
  void incomplete(std::string why);

  const FileBytes* file_;
  CoreNotes* notes_;
  std::vector<std::byte> window_;  // what was read last, from window_begin_ on
  std::uint64_t window_begin_ = 0;
  bool first_ = true;
  std::uint64_t first_status_pid_ = 0;
};

}  // namespace hang::core
