#include <algorithm>
#include <sstream>

#include "live_python.h"

namespace hang::cpython::test {
namespace {

std::string as_line(const std::vector<facts::FrameFacts>& frames) {
  std::string line;
  for (const facts::FrameFacts& frame : frames)
    line += (line.empty() ? "" : "|") + frame.function + ":" + std::to_string(frame.line);
  return line;
}

class FrameReader : public OnEveryPython {
 protected:
  void SetUp() override {
    live_.run_patient(GetParam(), "stacks.py");
    if (!HasFatalFailure()) live_.read();
  }
  const facts::ThreadStateFacts* named(const std::string& name) const {
    for (const facts::ThreadStateFacts& state : live_.facts().thread_states)
      if (state.name == name) return &state;
    return nullptr;
  }
  LivePython live_;
};
INSTANTIATE_ON_EVERY_PYTHON(FrameReader);

TEST_P(FrameReader, StacksAreThoseOfSysCurrentFrames) {
  int compared = 0;
  for (const std::string& line : live_.process->lines()) {
    std::istringstream words(line);
    std::string word, name, stack;
    std::uint64_t tid = 0;
    if (!(words >> word >> tid >> name >> stack) || word != "STACK") continue;
    const auto* state = live_.state(tid);
    ASSERT_NE(state, nullptr) << name;
    EXPECT_EQ(state->name, name);
    EXPECT_EQ(state->daemon, name != "recursive");
    EXPECT_TRUE(state->frames_complete) << name;
    EXPECT_EQ(as_line(state->frames), stack) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 11);
}

TEST_P(FrameReader, FilesInstructionsAndEntries) {
  const auto* far = named("th\u00e9-far");
  ASSERT_NE(far, nullptr);
  ASSERT_GE(far->frames.size(), 3U);
  EXPECT_EQ(far->frames[1].file, "<far \u00e9>");
  EXPECT_NE(far->frames[0].file.find("stacks.py"), std::string::npos);
  for (const facts::ThreadStateFacts& state : live_.facts().thread_states) {
    if (state.frames.empty()) continue;
    // Whoever is outermost was called from C.
    EXPECT_TRUE(state.frames.back().entry) << state.name;
    for (const facts::FrameFacts& frame : state.frames) EXPECT_TRUE(frame.instruction.has_value());
  }
  // sorted() calls its key function from C; park is called by that function without C between.
  const auto* from_c = named("from-c");
  ASSERT_NE(from_c, nullptr);
  EXPECT_EQ(from_c->frames[1].function, "called_from_c.<locals>.<lambda>");
  EXPECT_FALSE(from_c->frames[0].entry);
  EXPECT_TRUE(from_c->frames[1].entry);
}

TEST_P(FrameReader, MainThread) {
  EXPECT_EQ(live_.facts().main_tid, live_.process->pid());
  const auto* main = live_.state(live_.process->pid());
  ASSERT_NE(main, nullptr);
  EXPECT_EQ(main->name, "MainThread");
  EXPECT_EQ(main->frames.back().function, "<module>");
}

TEST_P(FrameReader, LocalsWithCellsAndFreeVariables) {
  const auto* state = named("closure");
  ASSERT_NE(state, nullptr);
  ASSERT_GE(state->frames.size(), 3U);
  const RemoteAddr inside(state->frames[1].address), closure(state->frames[2].address);
  auto& python = *live_.python;
  for (const std::string name : {"argument", "free", "outer_cell"}) {
    auto value = python.local(inside, name);
    ASSERT_OK(value);
    EXPECT_EQ(*value, live_.at("inside." + name)) << name;
  }
  for (const std::string name : {"text", "ints", "outer_cell", "inside"}) {
    auto value = python.local(closure, name);
    ASSERT_OK(value);
    EXPECT_EQ(*value, live_.at("closure." + name)) << name;
  }
  EXPECT_EQ(python.local(closure, "unbound_later").error().kind, ErrorKind::absent_field);
  EXPECT_EQ(python.local(closure, "no such variable").error().kind, ErrorKind::absent_field);

  auto all = python.locals(closure);
  ASSERT_OK(all);
  std::vector<std::string> names;
  for (const Local& local : *all) {
    names.push_back(local.name);
    EXPECT_EQ(static_cast<bool>(local.value), local.name != "unbound_later") << local.name;
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"inside", "ints", "outer_cell", "text", "unbound_later"}));
  EXPECT_EQ(python.objects().integer(*python.local(closure, "ints")).value_or(0), 12345678);
}

TEST_P(FrameReader, LocalsOfNoFrameAreAnError) {
  EXPECT_FALSE(live_.python->locals(RemoteAddr()).ok());
  EXPECT_FALSE(live_.python->locals(RemoteAddr(0x1000)).ok());
}

}  // namespace
}  // namespace hang::cpython::test
