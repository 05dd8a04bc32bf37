#include "cpython/coroutine.h"

#include "live_python.h"

namespace hang::cpython::test {
namespace {

class Coroutines : public OnEveryPython {
 protected:
  void SetUp() override { live_.run_patient(GetParam(), "coroutines.py"); }

  // "innermost > ... > outermost", then what is awaited if that is no coroutine.
  std::string chain(const std::string& name) {
    auto found = read_suspended(*live_.python, live_.at(name));
    if (!found) return found.error().describe();
    std::string text;
    for (const facts::FrameFacts& frame : found->frames)
      text += (text.empty() ? "" : " > ") + frame.function + (frame.line ? "" : " without a line");
    if (!found->awaits) return text;
    return text + " on " + live_.python->objects().type_name(found->awaits).value_or("?");
  }

  LivePython live_;
};
INSTANTIATE_ON_EVERY_PYTHON(Coroutines);

TEST_P(Coroutines, AwaitsAreFollowedInwards) {
  EXPECT_EQ(chain("outermost"), "Future.__await__ > through_generator > innermost > middle > outermost");
  EXPECT_EQ(chain("delegating"), "inner_loop > delegating");
}

// A value that the coroutine of an async for gave out is not awaited: async_generator_asend is no coroutine.
TEST_P(Coroutines, AsyncGenerator) {
  EXPECT_EQ(chain("iterating").substr(0, 4), "iter") << chain("iterating");
}

TEST_P(Coroutines, CreatedAndFinished) {
  EXPECT_EQ(chain("created"), "outermost");
  EXPECT_EQ(chain("finished"), "");
}

// The iterator of a for loop lies where an awaited object would.
TEST_P(Coroutines, PlainYieldAwaitsNothing) {
  EXPECT_EQ(chain("plain_yield"), "plain_yield");
}

TEST_P(Coroutines, OthersAreRefused) {
  auto found = read_suspended(*live_.python, live_.at("future"));
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().kind, ErrorKind::inconsistent);
}

}  // namespace
}  // namespace hang::cpython::test
