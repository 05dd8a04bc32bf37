// The cheap re-reads of Python: GIL words and where a thread state stands.
#include <algorithm>
#include <chrono>

#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr std::uint64_t kMaxDigestSlots = 256;  // locals and stack slots looked at
constexpr int kMaxDigestInts = 64;              // ints whose value is looked at

// FNV-1a over 64-bit words: order matters, collisions do not (two samples compare unequal at once or not at all).
class Digest {
 public:
  void add(std::uint64_t word) {
    value_ = (value_ ^ word) * 0x100000001b3;
    value_ ^= value_ >> 29;
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

// A counter may be another int object at the same address after the old one was freed, so ints count by value too.
void add_int(Objects& objects, RemoteAddr object, Digest& digest) {
  auto type = objects.type_name(object);
  if (!type || *type != "int") return;
  if (auto value = objects.integer(object)) digest.add(static_cast<std::uint64_t>(*value));
}

}  // namespace

Result<GilWords> Python::gil_words(const facts::GilFacts& gil) {
  reader_->flush_memory();
  auto fresh = read_gil(*reader_, RemoteAddr(gil.address));
  if (!fresh) return fresh.error();
  return GilWords{fresh->locked.value_or(false), *fresh->last_holder, *fresh->switch_number};
}

Result<RemoteAddr> Python::current_frame(std::uint64_t tstate) {
  reader_->flush_memory();
  return innermost_frame(*reader_, RemoteAddr(tstate));
}

Result<Progress> Python::progress(std::uint64_t tstate) {
  auto frame = current_frame(tstate);
  if (!frame) return frame.error();
  Progress progress;
  progress.frame = frame->raw();
  if (!*frame) return progress;
  auto instruction = instruction_of_frame(*reader_, *frame);
  if (!instruction) return instruction.error();
  progress.instruction = *instruction;

  auto code_object = code_of_frame(*reader_, *frame);
  if (!code_object) return progress;  // a frame of C has no locals
  auto code = read_code(*reader_, *code_object);
  auto first = reader_->address("_PyInterpreterFrame", "localsplus", *frame);
  if (!code || !first) return progress;
  std::vector<std::uint64_t> slots(std::min((*code)->locals + (*code)->stack, kMaxDigestSlots));
  if (!reader_->bytes(*first, std::as_writable_bytes(std::span(slots)), "_PyInterpreterFrame.localsplus"))
    return progress;

  Objects objects(*reader_);
  Digest digest;
  int ints = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    digest.add(slots[i]);
    // Above the locals there may be leftovers of earlier calls, which are not followed.
    if (i < (*code)->locals && slots[i] != 0 && ints++ < kMaxDigestInts) add_int(objects, RemoteAddr(slots[i]), digest);
  }
  progress.locals = digest.value();
  return progress;
}

Result<RemoteAddr> Python::instruction_word(std::uint64_t tstate) {
  auto frame = current_frame(tstate);
  if (!frame) return frame.error();
  constexpr const char* kFrame = "_PyInterpreterFrame";
  if (!*frame) return Error{ErrorKind::absent_field, "no Python frame", RemoteAddr(tstate), kFrame};
  return reader_->address(kFrame, reader_->has(kFrame, "instr_ptr") ? "instr_ptr" : "prev_instr", *frame);
}

Result<RemoteAddr> Python::locked_word(const facts::GilFacts& gil) {
  return reader_->address("_gil_runtime_state", "locked", RemoteAddr(gil.address));
}

Result<bool> Python::instruction_moves(std::uint64_t tstate, std::chrono::microseconds most) {
  auto at = instruction_word(tstate);
  if (!at) return at.error();
  auto first = read_value<std::uint64_t>(*target_, *at, "_PyInterpreterFrame.instr_ptr");
  if (!first) return first.error();
  const auto end = std::chrono::steady_clock::now() + most;
  do {
    // Past the cache, a word at a time: a microsecond each, so that the moments between two short calls are seen too.
    auto now = read_value<std::uint64_t>(*target_, *at, "_PyInterpreterFrame.instr_ptr");
    if (!now) return now.error();
    if (*now != *first) return true;
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace hang::cpython
