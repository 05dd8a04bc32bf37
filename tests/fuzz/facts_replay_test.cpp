// The fuzzer's inputs without the fuzzer: each value of each seed replaced by what a careless or hostile writer would
// put there, several at a time, and seeds cut short.
#include <array>
#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "fuzz/facts_input.h"

namespace hang::test {
namespace {

using nlohmann::json;

// Values that numbers, words and lists are replaced by.
const std::vector<json>& oddities() {
  static const std::vector<json> list{nullptr,
                                      0,
                                      -1,
                                      1,
                                      100,
                                      101,
                                      0x5100,
                                      1e300,
                                      std::numeric_limits<std::int64_t>::max(),
                                      std::numeric_limits<std::int64_t>::min(),
                                      std::numeric_limits<std::uint64_t>::max(),
                                      "",
                                      "\x1b[2J",
                                      true,
                                      false,
                                      json::array(),
                                      json::object()};
  return list;
}

std::vector<json::json_pointer> places(const json& document) {
  std::vector<json::json_pointer> all;
  const json flat = document.flatten();
  for (const auto& [path, value] : flat.items()) all.emplace_back(path);
  return all;
}

TEST(FactsReplay, SeedsAreFacts) {
  for (const auto& seed : facts_seeds()) EXPECT_TRUE(try_facts(seed));
}

TEST(FactsReplay, CutShort) {
  for (const auto& seed : facts_seeds())
    for (std::size_t size = 0; size < seed.size(); size += 101) EXPECT_FALSE(try_facts(seed.substr(0, size)));
}

TEST(FactsReplay, EachValueReplaced) {
  const auto seeds = facts_seeds();
  const json document = json::parse(seeds.back());
  const auto all = places(document);
  std::size_t still_facts = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    json changed = document;
    // Every value meets a few of them, and every one of them meets many values.
    for (std::size_t k = 0; k < 3; ++k) {
      changed[all[i]] = oddities()[(i + 7 * k) % oddities().size()];
      still_facts += try_facts(changed.dump()) ? 1 : 0;
    }
  }
  EXPECT_GT(still_facts, all.size()) << "most of these are refused: the test tests nothing";
}

TEST(FactsReplay, ManyAtOnce) {
  constexpr int kRuns = 3000, kMostChanges = 12;
  int facts_read = 0;
  std::mt19937 random(20'261'123);  // the same every time
  const auto seeds = facts_seeds();
  for (int run = 0; run < kRuns; ++run) {
    json document = json::parse(seeds[random() % seeds.size()]);
    const auto all = places(document);
    for (auto changes = random() % kMostChanges + 1; changes > 0; --changes) {
      const auto& place = all[random() % all.size()];
      // A number of one place at another makes facts that refer to each other in new ways.
      // Of the same type, or the file is refused at once.
      json value;
      for (int tries = 0; tries < 20; ++tries) {
        value = random() % 2 == 0 ? oddities()[random() % oddities().size()] : document[all[random() % all.size()]];
        const json& before = document[place];
        if (before.is_null() || (value.is_number() && before.is_number()) || value.type() == before.type()) break;
      }
      document[place] = value;
    }
    facts_read += try_facts(document.dump()) ? 1 : 0;
  }
  EXPECT_GT(facts_read, kRuns / 10) << "most of these are refused: the test tests nothing";
}

}  // namespace
}  // namespace hang::test
