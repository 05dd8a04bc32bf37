#include <algorithm>

#include "hosts/native/native_target.h"
#include "live_python.h"

namespace hang::cpython::test {
namespace {

class InterpreterReader : public OnEveryPython {
 protected:
  void SetUp() override {
    live_.run_patient(GetParam(), "interpreters.py");
    if (!HasFatalFailure()) live_.read();
  }
  const facts::InterpreterFacts& interpreter(std::int64_t id) const {
    const auto& all = live_.facts().interpreters;
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.id == id; });
    if (found == all.end()) throw std::logic_error("no such interpreter");
    return *found;
  }
  LivePython live_;
};
INSTANTIATE_ON_EVERY_PYTHON(InterpreterReader);

TEST_P(InterpreterReader, InterpretersNewestFirst) {
  std::vector<std::int64_t> ids;
  for (const auto& one : live_.facts().interpreters) ids.push_back(one.id);
  EXPECT_EQ(ids, (std::vector<std::int64_t>{static_cast<std::int64_t>(live_.said.at("isolated")),
                                            static_cast<std::int64_t>(live_.said.at("legacy")), 0}));
  for (const auto& one : live_.facts().interpreters) {
    EXPECT_EQ(one.is_main, one.id == 0);
    EXPECT_EQ(one.finalizing, false);
    EXPECT_EQ(one.finalized_by, GetParam().minor >= 12 ? std::optional<std::uint64_t>(0) : std::nullopt);
  }
  EXPECT_EQ(interpreter(0).legacy, false);
  EXPECT_EQ(interpreter(1).legacy, true);
  EXPECT_EQ(interpreter(2).legacy, false);
}

TEST_P(InterpreterReader, WhoSharesWhichGil) {
  const bool own_gils = GetParam().minor >= 12;  // PEP 684
  const auto& gils = live_.facts().gils;
  ASSERT_EQ(gils.size(), own_gils ? 2U : 1U);
  EXPECT_EQ(interpreter(0).gil, 0);
  EXPECT_EQ(interpreter(1).gil, 0);
  EXPECT_EQ(interpreter(2).gil, own_gils ? 1 : 0);
  EXPECT_EQ(interpreter(1).shares_main_gil, true);
  EXPECT_EQ(interpreter(2).shares_main_gil, !own_gils);
  EXPECT_EQ(interpreter(2).own_gil, own_gils ? std::optional<bool>(true) : std::nullopt);
  EXPECT_EQ(gils[0].interpreters.size(), own_gils ? 2U : 3U);
  for (const auto& gil : gils) {
    EXPECT_EQ(gil.interval_us, 5000U);
    EXPECT_GT(gil.cond, gil.address);
    EXPECT_EQ(gil.cond_size, 48U);  // pthread_cond_t
    EXPECT_EQ(gil.mutex_size, 40U);
  }
  EXPECT_EQ(live_.snapshot.reading("gil.0.locked") != nullptr, true);
}

TEST_P(InterpreterReader, ThreadsAreThoseThatRunAndNotThoseThatCreated) {
  for (const auto& [name, id] : {std::pair("legacy-driver", 1), std::pair("isolated-driver", 2)}) {
    const std::uint64_t tid = live_.said.at(name);
    const auto* outer = live_.state(tid, 0);
    ASSERT_NE(outer, nullptr) << name;
    EXPECT_EQ(outer->name, name);
    const auto* inner = live_.state(tid, id);
    ASSERT_NE(inner, nullptr) << name << ": its state in the subinterpreter is attributed to another thread";
    ASSERT_EQ(inner->frames.size(), 2U);
    EXPECT_EQ(inner->frames[0].function, "parked");
    EXPECT_EQ(inner->frames[0].line, 5);
    EXPECT_EQ(inner->frames[1].function, "<module>");
  }
}

TEST_P(InterpreterReader, RunningMainIsKnownFrom313On) {
  for (const auto& one : live_.facts().interpreters) {
    EXPECT_EQ(one.running_main, GetParam().minor >= 13 ? std::optional<bool>(true) : std::nullopt);
    EXPECT_EQ(one.whence.has_value(), GetParam().minor >= 13);
  }
}

TEST_P(InterpreterReader, IdentityOfTheRuntime) {
  EXPECT_EQ(live_.facts().version, GetParam().version);
  EXPECT_EQ(live_.facts().build, std::vector<std::string>{GetParam().debug ? "debug" : "release"});
  EXPECT_EQ(live_.facts().finalizing, false);
  const std::vector<std::string> providers =
      GetParam().minor >= 13 ? std::vector<std::string>{"debug_offsets", "table"} : std::vector<std::string>{"table"};
  EXPECT_EQ(live_.facts().providers, providers);
  for (const auto& gap : live_.snapshot.gaps) ADD_FAILURE() << gap.what << ": " << gap.why;
}

TEST_P(InterpreterReader, ReadingIsRepeatable) {
  const auto first = live_.facts();
  live_.read();
  ASSERT_EQ(first.thread_states.size(), live_.facts().thread_states.size());
  for (std::size_t i = 0; i < first.thread_states.size(); ++i)
    EXPECT_EQ(first.thread_states[i].address, live_.facts().thread_states[i].address);
}

TEST(ForkedChild, MainThreadIsTheChilds) {
  for (const CPython& cpython : hang::test::supported_pythons()) {
    LivePython live;
    // The parent waits for the child, which is the one that says READY; the test reads the child.
    live.run_code(cpython,
                  "import os, time\n"
                  "if os.fork() == 0:\n"
                  "    print(f'READY child={os.getpid()}', flush=True)\n"
                  "    time.sleep(1000)\n"
                  "os.wait()");
    if (HasFatalFailure()) return;
    LivePython child;
    child.said = live.said;
    auto target = hang::native::open_process(live.said.at("child"));
    ASSERT_OK(target);
    auto python = Python::open(**target);
    ASSERT_OK(python);
    facts::Snapshot snapshot;
    ASSERT_OK((*python)->read(snapshot));
    EXPECT_EQ(snapshot.python->main_tid, live.said.at("child")) << cpython.version;
  }
}

}  // namespace
}  // namespace hang::cpython::test
