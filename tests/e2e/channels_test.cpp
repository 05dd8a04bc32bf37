// hang channels on a real process with channels of every kind, on each CPython.
#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "command.h"
#include "support/python_process.h"

namespace hang::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class Channels : public testing::TestWithParam<CPython> {
 protected:
  void SetUp() override {
    PythonOptions options;
    options.root = GetParam().root;
    auto started = PythonProcess::run_script(GetParam(), std::string(HANG_LABS) + "/channels_mix.py", options);
    ASSERT_TRUE(started.ok()) << started.error().message;
    process_ = std::move(*started);
    const auto result = hang({"--format", "json"});
    report_ = json::parse(result.out, nullptr, false);
    ASSERT_TRUE(report_.is_object()) << result.out << result.err;
  }
  CommandResult hang(std::vector<std::string> words) {
    words.insert(words.begin(), {HANG_BINARY, "channels", "-p", std::to_string(process_->pid())});
    return run_command(words);
  }
  // The objects of that kind whose explanation has `words` in it.
  [[nodiscard]] std::vector<json> objects(const std::string& kind, const std::string& words) const {
    std::vector<json> found;
    for (const auto& object : report_.at("objects"))
      if (object.at("kind") == kind && object.at("why").get<std::string>().find(words) != std::string::npos)
        found.push_back(object);
    return found;
  }

  std::unique_ptr<PythonProcess> process_;
  json report_;
};

TEST_P(Channels, OrphansAreTheOnesThatNobodyCouldServe) {
  EXPECT_TRUE(report_.at("objects_known"));
  const auto lonely = objects("async_queue", "task lonely");
  ASSERT_EQ(lonely.size(), 1U) << report_.at("objects").dump(1);
  EXPECT_EQ(lonely[0].at("fate"), "orphaned") << lonely[0].dump(1);
  EXPECT_EQ(lonely[0].at("items"), 0);

  const auto feeder = objects("thread_queue", "\"feeder\"");
  ASSERT_EQ(feeder.size(), 1U) << report_.at("objects").dump(1);
  EXPECT_EQ(feeder[0].at("fate"), "orphaned") << feeder[0].dump(1);
  EXPECT_EQ(feeder[0].at("limit"), 2);
  EXPECT_EQ(feeder[0].at("items"), 2);
}

TEST_P(Channels, OneThatSomebodyCouldServeIsOpen) {
  const auto consumer = objects("async_queue", "task consumer");
  ASSERT_EQ(consumer.size(), 1U);
  EXPECT_EQ(consumer[0].at("fate"), "open");
  EXPECT_THAT(consumer[0].at("why").get<std::string>(), testing::ContainsRegex("could send: .*task producer"));
  EXPECT_EQ(objects("thread_queue", "\"ping\"").size(), 2U) << "it waits for one, and could send by the other";
}

TEST_P(Channels, ATimerOfTheLoopMaySend) {
  const auto timed = objects("async_queue", "task timed");
  ASSERT_EQ(timed.size(), 1U) << report_.at("objects").dump(1);
  EXPECT_EQ(timed[0].at("fate"), "open") << timed[0].dump(1);
}

// SimpleQueue.get is a C function: no frame says that the thread waits in it.
TEST_P(Channels, WaitsInSimpleQueueAreSeen) {
  const auto starved = objects("thread_queue", "\"starved\" waits for an item");
  ASSERT_EQ(starved.size(), 1U) << report_.at("objects").dump(1);
  EXPECT_EQ(starved[0].at("fate"), "orphaned") << starved[0].dump(1);
  const auto fed = objects("thread_queue", "\"fed\" waits for an item");
  ASSERT_EQ(fed.size(), 1U) << report_.at("objects").dump(1);
  EXPECT_EQ(fed[0].at("fate"), "open") << fed[0].dump(1);
  EXPECT_THAT(fed[0].at("why").get<std::string>(), HasSubstr("\"giver\""));
}

TEST_P(Channels, AConnectionIsNamedByItsDescriptor) {
  const auto listener = objects("connection", "\"listener\"");
  ASSERT_EQ(listener.size(), 1U) << report_.at("objects").dump(1);
  EXPECT_EQ(listener[0].at("fds").size(), 1U);
}

TEST_P(Channels, TheOrphanedComeFirst) {
  const auto text = hang({}).out;
  const auto last_orphan = text.rfind("orphaned: task"), first_open = text.find("could send");
  ASSERT_NE(last_orphan, std::string::npos) << text;
  ASSERT_NE(first_open, std::string::npos) << text;
  EXPECT_LT(last_orphan, first_open) << text;
}

// Both ends are in the process, and one is with an interpreter that nobody runs any more, or that was destroyed.
class Ends : public testing::TestWithParam<CPython> {
 protected:
  std::string channels(const std::string& lab) {
    PythonOptions options;
    options.root = GetParam().root;
    auto started = PythonProcess::run_script(GetParam(), std::string(HANG_LABS) + "/" + lab, options);
    if (!started) return started.error().message;
    auto text = run_command({HANG_BINARY, "channels", "-p", std::to_string((*started)->pid())}).out;
    // As if the terminal were very wide.
    std::string words;
    for (const char c : text)
      if (c != ' ' && c != '\n')
        words += c;
      else if (!words.ends_with(' '))
        words += ' ';
    return words;
  }
};

TEST_P(Ends, OfAnAbandonedInterpreterAreNamed) {
  const auto text = channels("l1_asyncio_parked_subinterpreter.py");
  EXPECT_THAT(text, HasSubstr("socket.socket in the main module of interpreter 1, in which no thread runs"));
  EXPECT_THAT(text, testing::ContainsRegex("orphaned: main thread [0-9]+ waits for it; only this process has the other "
                                           "end .fd [0-9]+: socket.socket in the main module"));
}

TEST_P(Ends, OfADestroyedInterpreterHaveNoOwner) {
  const auto text = channels("l1_asyncio_dead_subinterpreter.py");
  EXPECT_THAT(text, testing::ContainsRegex("only this process has the other end .fd [0-9]+: no object of Python was "
                                           "found that has it., and every other thread sleeps"));
}

TEST_P(Ends, AQueueWhoseOtherInterpreterIsGoneIsOrphaned) {
  if (GetParam().minor < 14) GTEST_SKIP() << "concurrent.interpreters came with 3.14";
  EXPECT_THAT(channels("i5_queue.py"), HasSubstr("queue 1 between interpreters · known to interpreter 0 orphaned"));
  EXPECT_THAT(channels("n3_interp_queue_producer.py"), HasSubstr("known to interpreters 0, 1 main thread"));
}

std::string python_name(const testing::TestParamInfo<CPython>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Each, Channels, testing::ValuesIn(supported_pythons()), python_name);
INSTANTIATE_TEST_SUITE_P(Each, Ends, testing::ValuesIn(supported_pythons()), python_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Channels);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Ends);

}  // namespace
}  // namespace hang::test
