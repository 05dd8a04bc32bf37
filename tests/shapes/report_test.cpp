// The report: the JSON contract, and text that fits.
#include "report/report.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "report/paint.h"
#include "shapes/patient.h"

namespace hang::test {
namespace {

Patient starving() {
  Patient patient;
  patient.interpreter(1).python_thread(101, "subint-driver", 1).hog(101, 1).wants_gil(100).tripped().watched(550);
  return patient;
}

TEST(Json, HasEveryMemberOfTheContract) {
  auto patient = starving();
  const auto j = nlohmann::json::parse(report::classify_json(patient.facts(), verdict::classify(patient.facts())));
  for (const char* key : {"schema_version", "target", "verdict", "findings", "evidence", "gaps"})
    EXPECT_TRUE(j.contains(key)) << key;
  for (const char* key : {"kind", "pid", "python", "build", "exe", "stopped_us"})
    EXPECT_TRUE(j["target"].contains(key)) << key;
  for (const char* key :
       {"id", "shape", "seed_class", "confidence", "summary", "ctrl_c", "path", "blame", "advice", "signature"})
    EXPECT_TRUE(j["verdict"].contains(key)) << key;
  EXPECT_EQ(j["verdict"]["id"], "S1");
  EXPECT_EQ(j["verdict"]["ctrl_c"]["answer"], "no");
}

TEST(Json, UndeterminedHasNoId) {
  Patient patient;
  patient.gil().locked.reset();
  const auto j = nlohmann::json::parse(report::classify_json(patient.facts(), verdict::classify(patient.facts())));
  EXPECT_TRUE(j["verdict"]["id"].is_null());
  EXPECT_EQ(j["verdict"]["shape"], "undetermined");
  EXPECT_FALSE(j["gaps"].empty());
}

TEST(Text, FitsTheTerminalAndNeedsNoColour) {
  auto patient = starving();
  patient.state(101, 1).name = "a\x1b[31mname";
  const auto text = report::classify_text(patient.facts(), verdict::classify(patient.facts()), {false, 100, false});
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "control characters of the target must not reach the terminal";
  std::size_t begin = 0, lines = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1, ++lines)
    EXPECT_LE(report::columns(text.substr(begin, end - begin)), 100u) << text.substr(begin, end - begin);
  EXPECT_LE(lines, 60u);
}

TEST(Text, EveryListingWorksOnTheSameFacts) {
  auto patient = starving();
  patient.socketpair(6, 7);
  for (auto listing : {report::Listing::interpreters, report::Listing::threads, report::Listing::gil,
                       report::Listing::signals, report::Listing::channels}) {
    EXPECT_FALSE(report::listing_text(listing, patient.facts(), {}).empty());
    EXPECT_TRUE(nlohmann::json::accept(report::listing_json(listing, patient.facts())));
  }
}

TEST(Fill, BreaksAtBlanksOnly) {
  EXPECT_EQ(report::fill("one two three", 9, 2), "  one two\n  three");
  EXPECT_EQ(report::fill("averyverylongword x", 5, 0), "averyverylongword\nx");
}

}  // namespace
}  // namespace hang::test
