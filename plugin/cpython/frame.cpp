#include <array>
#include <cstring>
#include <fmt/format.h>

#include "base/budget.h"
#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr const char* kFrame = "_PyInterpreterFrame";
constexpr std::size_t kMaxFrames = 1000;  // kept of one thread state

// One _PyInterpreterFrame as it lies in memory.
struct RawFrame {
  RemoteAddr code, previous;
  std::uint64_t instruction = 0;
  std::int64_t owner = 0;
  bool entry = false;  // 3.11: the eval loop was entered from C for this frame
};

const char* instruction_member(Reader& reader) {
  return reader.has(kFrame, "instr_ptr") ? "instr_ptr" : "prev_instr";
}

Result<RawFrame> read_raw(Reader& reader, RemoteAddr at) {
  auto places = reader.frame_places();
  if (!places) return places.error();
  std::array<std::byte, 256> bytes{};
  if ((*places)->size > bytes.size()) return Error{ErrorKind::inconsistent, "a frame larger than any", at, kFrame};
  if (auto done = reader.bytes(at, std::span(bytes).first((*places)->size), kFrame); !done) return done.error();
  const auto word = [&](std::uint64_t offset) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
  };
  RawFrame frame;
  frame.code = reader.untagged(word((*places)->code));
  frame.previous = RemoteAddr(word((*places)->previous));
  frame.instruction = word((*places)->instruction);
  // A char, whose values are small and not negative.
  frame.owner = std::to_integer<std::int64_t>(bytes[(*places)->owner]);
  if ((*places)->is_entry) frame.entry = std::to_integer<int>(bytes[*(*places)->is_entry]) != 0;
  return frame;
}

bool belongs_to_c(Reader& reader, const RawFrame& frame) {
  // No such owners before 3.12 and 3.14; -2 is no owner at all.
  return frame.owner == reader.constant("FRAME_OWNED_BY_CSTACK", -2) ||
         frame.owner == reader.constant("FRAME_OWNED_BY_INTERPRETER", -2);
}

// _PyFrame_IsIncomplete (Include/internal/pycore_frame.h): part way through making cells or a generator, or the
// _Py_InitCleanup trampoline under an inlined __init__. CPython shows no such frame, nor do we.
bool is_incomplete(Reader& reader, const RawFrame& frame, const Code& code) {
  if (frame.owner == reader.constant("FRAME_OWNED_BY_GENERATOR")) return false;
  const std::uint64_t unit = reader.layout().size_of("_Py_CODEUNIT").value_or(2);
  return frame.instruction < code.first.raw() + code.first_traceable * unit;
}

std::int64_t unit_index(Reader& reader, const RawFrame& frame, const Code& code) {
  const auto unit = static_cast<std::int64_t>(reader.layout().size_of("_Py_CODEUNIT").value_or(2));
  return static_cast<std::int64_t>(frame.instruction - code.first.raw()) / unit;
}

facts::FrameFacts describe(Reader& reader, RemoteAddr at, const RawFrame& frame, Code& code) {
  facts::FrameFacts facts;
  facts.address = at.raw();
  facts.function = code.function;
  facts.file = code.file;
  facts.instruction = frame.instruction;
  facts.entry = frame.entry;
  const std::int64_t unit = unit_index(reader, frame, code);
  if (unit < static_cast<std::int64_t>(code.units)) facts.line = line_of(reader, code, unit);
  return facts;
}

// Appends the frames of one thread state. An error says why the walk had to stop before the outermost frame.
Result<void> walk(Reader& reader, RemoteAddr tstate, std::vector<facts::FrameFacts>& frames) {
  auto at = innermost_frame(reader, tstate);
  if (!at) return at.error();
  Budget budget("frames", 20 * kMaxFrames);
  while (*at) {
    if (frames.size() >= kMaxFrames)
      return Error{ErrorKind::budget, fmt::format("only the innermost {} frames are kept", kMaxFrames), *at, kFrame};
    if (auto step = budget.visit(*at); !step) return step.error();
    auto frame = read_raw(reader, *at);
    if (!frame) return frame.error();
    if (belongs_to_c(reader, *frame)) {
      // 3.12+: the frame that a C caller of the eval loop has on its own stack. What was called is just inside.
      if (!frames.empty()) frames.back().entry = true;
    } else {
      if (!frame->code) {
        const bool core = reader.target().kind() == TargetKind::core;
        return Error{
            ErrorKind::inconsistent,
            core ? "a frame without code: being made or freed, or zeros for a stack that could not be saved (gcore)"
                 : "a frame being made or freed",
            *at, kFrame};
      }
      auto code = read_code(reader, frame->code);
      if (!code) return code.error();
      if (!is_incomplete(reader, *frame, **code)) frames.push_back(describe(reader, *at, *frame, **code));
    }
    at = frame->previous;
  }
  return {};
}

}  // namespace

std::optional<bool> stands_at_call(Reader& reader, const facts::ThreadStateFacts& state) {
  if (state.frames.empty() || !state.frames.front().instruction) return std::nullopt;
  // The opcode is the low byte of a code unit (union _Py_CODEUNIT, Include/internal/pycore_code.h).
  auto opcode = reader.word(RemoteAddr(*state.frames.front().instruction), 1, "_Py_CODEUNIT.op.code");
  if (!opcode) return std::nullopt;
  const auto bits = reader.layout().constant(fmt::format("call_opcodes_{}", *opcode / 64));
  if (!bits) return std::nullopt;
  return (static_cast<std::uint64_t>(*bits) >> (*opcode % 64) & 1) != 0;
}

Result<facts::FrameFacts> read_frame(Reader& reader, RemoteAddr at) {
  auto frame = read_raw(reader, at);
  if (!frame) return frame.error();
  if (belongs_to_c(reader, *frame) || !frame->code)
    return Error{ErrorKind::absent_field, "the frame belongs to C", at, kFrame};
  auto code = read_code(reader, frame->code);
  if (!code) return code.error();
  return describe(reader, at, *frame, **code);
}

Result<RemoteAddr> innermost_frame(Reader& reader, RemoteAddr tstate) {
  if (reader.has("PyThreadState", "current_frame")) return reader.pointer("PyThreadState", "current_frame", tstate);
  // 3.11 and 3.12: through _PyCFrame, which lies on the C stack.
  auto cframe = reader.pointer("PyThreadState", "cframe", tstate);
  if (!cframe || !*cframe) return cframe;
  return reader.pointer("_PyCFrame", "current_frame", *cframe);
}

Result<FrameLink> link_of_frame(Reader& reader, RemoteAddr frame) {
  auto raw = read_raw(reader, frame);
  if (!raw) return raw.error();
  return FrameLink{raw->owner, raw->previous};
}

Result<RemoteAddr> code_of_frame(Reader& reader, RemoteAddr frame) {
  auto raw = read_raw(reader, frame);
  if (!raw) return raw.error();
  if (belongs_to_c(reader, *raw) || !raw->code)
    return Error{ErrorKind::absent_field, "the frame belongs to C", frame, kFrame};
  return raw->code;
}

Result<std::uint64_t> instruction_of_frame(Reader& reader, RemoteAddr frame) {
  return reader.number(kFrame, instruction_member(reader), frame);
}

Result<void> read_frames(Reader& reader, facts::ThreadStateFacts& state) {
  constexpr int kTries = 3;
  // Only a thread that runs while it is read changes its frames, and only then can another read do better.
  const bool moving = reader.target().kind() == TargetKind::live && !reader.target().stopped_by_host();
  Result<void> done;
  for (int attempt = 0; attempt < (moving ? kTries : 1); ++attempt) {
    if (attempt > 0) reader.flush_memory();
    state.frames.clear();
    done = walk(reader, RemoteAddr(state.address), state.frames);
    state.frames_complete = done.ok();
    if (done || done.error().kind == ErrorKind::budget) break;
  }
  return done;
}

}  // namespace hang::cpython
