// Which handlers of a waiting thread take a KeyboardInterrupt, and whether the thread waits again then.
#include "cpython/exception_handlers.h"

#include <fstream>
#include <sstream>

#include "cpython/instructions.h"
#include "live_python.h"

namespace hang::cpython::test {
namespace {

class HandlerReader : public OnEveryPython {
 protected:
  // What becomes of an interrupt in the main thread that waits in this function of handlers.py.
  std::optional<facts::CaughtInterrupt> caught(const std::string& kind) {
    std::ifstream file(HANG_PATIENTS "/handlers.py");
    std::stringstream text;
    text << file.rdbuf();
    std::string code = text.str();
    code.replace(code.rfind("KIND"), 4, kind);
    live_ = std::make_unique<LivePython>();
    live_->run_code(GetParam(), code);
    if (HasFatalFailure()) return std::nullopt;
    live_->read();
    const auto* main = live_->state(live_->process->pid());
    if (main == nullptr) return std::nullopt;
    frames_ = main->frames;
    return live_->python->caught_interrupt(*main, RemoteAddr(live_->facts().interpreters.front().address));
  }

  std::unique_ptr<LivePython> live_;
  std::vector<facts::FrameFacts> frames_;
};
INSTANTIATE_ON_EVERY_PYTHON(HandlerReader);

struct Taken {
  const char* kind;
  const char* by;
  const char* function;
};

TEST_P(HandlerReader, TheWaitBeginsAnew) {
  for (const auto& [kind, by, function] :
       {Taken{"passes", "except BaseException", "passes"}, Taken{"bare", "a bare except or a finally", "bare"},
        Taken{"in_tuple", "except KeyboardInterrupt", "in_tuple"},
        Taken{"returned", "a bare except or a finally", "returned.<locals>.step"},
        Taken{"suppressed", "with contextlib.suppress", "suppressed"}, Taken{"eaten", "with __main__.Eats", "eaten"},
        Taken{"noted", "except BaseException", "noted"},
        Taken{"attribute", "except KeyboardInterrupt", "Loop.pass_it"}}) {
    const auto found = caught(kind);
    ASSERT_TRUE(found.has_value()) << kind;
    EXPECT_TRUE(found->resumes) << kind;
    EXPECT_EQ(found->by, by);
    EXPECT_EQ(frames_.at(found->frame).function, function) << kind;
    EXPECT_GE(found->line, frames_.at(found->frame).line - 1) << kind;
    EXPECT_LE(found->line, frames_.at(found->frame).line + 5) << kind;
  }
}

TEST_P(HandlerReader, WhatCountsIsNotFollowed) {
  const auto found = caught("counted");
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->resumes);
  EXPECT_EQ(found->by, "except KeyboardInterrupt");
}

TEST_P(HandlerReader, TheInterruptGetsOut) {
  for (const char* kind : {"ends_by_flag", "ends_by_function", "ends_by_method", "breaks", "exits", "raises",
                           "cleans_up", "other", "outermost", "asked", "kept"}) {
    EXPECT_FALSE(caught(kind).has_value()) << kind;
    EXPECT_FALSE(frames_.empty()) << kind;
  }
}

TEST_P(HandlerReader, InstructionsFillTheCode) {
  caught("passes");
  ASSERT_FALSE(frames_.empty());
  auto& reader = live_->python->reader();
  const Opcodes opcodes(reader.layout());
  for (const auto& frame : frames_) {
    const auto object = code_of_frame(reader, RemoteAddr(frame.address));
    ASSERT_OK(object);
    const auto code = read_code(reader, *object);
    ASSERT_OK(code);
    const auto instructions = read_instructions(reader, opcodes, **code);
    ASSERT_OK(instructions);
    std::uint64_t unit = 0;
    for (const auto& one : *instructions) {
      EXPECT_EQ(one.unit, unit);
      EXPECT_EQ(instruction_at(*instructions, one.next - 1), &one);
      unit = one.next;
    }
    EXPECT_EQ(unit, (*code)->units) << frame.function;
    EXPECT_EQ(instruction_at(*instructions, unit), nullptr);
  }
}

}  // namespace
}  // namespace hang::cpython::test
