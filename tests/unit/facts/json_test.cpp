// Facts survive JSON, and what is no facts file is refused with a reason.
#include "facts/json.h"

#include <gtest/gtest.h>

#include "shapes/patient.h"

namespace hang::test {
namespace {

TEST(FactsJson, RoundTripIsTheIdentity) {
  Patient patient;
  patient.interpreter(1).python_thread(101, "t", 1).hog(101, 1).socketpair(6, 7).watched(50).loop(100).ready = 3;
  const auto text = facts::to_json_text(patient.facts());
  EXPECT_EQ(facts::to_json_text(through_json(patient.facts())), text);
}

TEST(FactsJson, NotReadStaysNotRead) {
  Patient patient;
  patient.gil().locked.reset();
  EXPECT_EQ(through_json(patient.facts()).python->gils[0].locked, std::nullopt);
}

TEST(FactsJson, BytesThatAreNotUtf8DoNotBreakTheFile) {
  Patient patient;
  patient.facts().threads[0].comm = "\xff\xfe";
  EXPECT_TRUE(facts::from_json_text(facts::to_json_text(patient.facts())).ok());
}

class Refused : public testing::TestWithParam<const char*> {};

TEST_P(Refused, WithAReason) {
  auto result = facts::from_json_text(GetParam());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::io);
  EXPECT_FALSE(result.error().message.empty());
}

INSTANTIATE_TEST_SUITE_P(BadInput, Refused,
                         testing::Values("", "{", "[]", "null", "{}", R"({"schema_version": 2})",
                                         R"({"schema_version": "1"})", R"({"schema_version": 1, "threads": 3})",
                                         R"({"schema_version": 1, "target": {"kind": "toaster"}})",
                                         R"({"schema_version": 1, "threads": [{"state": 5}]})"));

}  // namespace
}  // namespace hang::test
