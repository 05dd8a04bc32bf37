#include "expectation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hang::test {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;

std::string text_or_empty(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<int> number_or_absent(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? std::optional<int>(found->get<int>()) : std::nullopt;
}

void expect_ctrl_c(const json& verdict, const Expectation& expect) {
  const json ctrl_c = verdict.value("ctrl_c", json::object());
  EXPECT_THAT(expect.ctrl_c, Contains(text_or_empty(ctrl_c, "answer"))) << "verdict.ctrl_c.answer; " << ctrl_c.dump();
  if (expect.step) {
    EXPECT_EQ(number_or_absent(ctrl_c, "step"), expect.step) << ctrl_c.dump();
  }
}

void expect_blame(const json& verdict, const Expectation& expect, const RunningLab& lab) {
  const json blame = verdict.value("blame", json::array());
  if (expect.blame.empty()) return;
  ASSERT_FALSE(blame.empty()) << "nobody is blamed";
  const std::string thread = text_or_empty(blame[0], "thread");
  EXPECT_THAT(thread, HasSubstr(std::to_string(lab.blamed_tid()))) << "blame[0].thread";
  EXPECT_THAT(thread, HasSubstr(expect.blame)) << "blame[0].thread";
  if (!expect.frame.empty()) {
    EXPECT_THAT(text_or_empty(blame[0], "frame"), HasSubstr(blamed_line(expect.frame))) << "blame[0].frame";
  }
}

// A verdict about a descriptor must name it, in the words or in the blame.
void expect_fd(const json& verdict, const RunningLab& lab) {
  if (!lab.fd()) return;
  const std::string words = "fd " + std::to_string(*lab.fd());
  EXPECT_THAT(verdict.dump(), HasSubstr(words)) << "the descriptor that is waited for";
}

}  // namespace

void expect_verdict(const json& report, const Expectation& expect, const RunningLab& lab) {
  EXPECT_EQ(report.value("schema_version", 0), 1);
  ASSERT_TRUE(report.contains("verdict")) << report.dump(2);
  const json& verdict = report["verdict"];
  const std::string summary = text_or_empty(verdict, "summary");
  EXPECT_THAT(expect.ids, Contains(text_or_empty(verdict, "id"))) << "verdict.id; " << summary;
  EXPECT_FALSE(summary.empty()) << "verdict.summary";
  if (text_or_empty(verdict, "id").empty()) {  // "cannot know" is an answer where labs.json allows it, with the reason
    EXPECT_FALSE(report.value("gaps", json::array()).empty()) << "undetermined without naming what is missing";
    return;
  }
  EXPECT_EQ(number_or_absent(verdict, "seed_class"), expect.seed_class) << "verdict.seed_class; " << summary;
  expect_ctrl_c(verdict, expect);
  expect_blame(verdict, expect, lab);
  expect_fd(verdict, lab);
}

int exit_code_of(const json& report) {
  const std::string id = report.contains("verdict") ? text_or_empty(report["verdict"], "id") : "";
  if (id.empty()) return 3;
  return id[0] == 'N' ? 0 : 1;
}

}  // namespace hang::test
