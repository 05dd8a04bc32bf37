// A live process in which some bytes of _PyRuntime, of its GIL, main interpreter and thread states are not what CPython
// wrote: no crash, no hang, and no certainty about anything else than what is true.
//
// HANG_SEEDS: how many corruptions on each CPython (default: few; 100000 takes an hour under the sanitizers).
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <random>

#include "collect/collect.h"
#include "cpython/layout/layout.h"
#include "cpython/python.h"
#include "hosts/native/native_target.h"
#include "support/python_process.h"
#include "verdict/verdict.h"

namespace hang::test {
namespace {

constexpr std::uint64_t kPage = 4096;

// The real process through pages that are read once, with flips on top.
class CorruptedTarget : public Target {
 public:
  explicit CorruptedTarget(Target& real) : real_(real) {}
  [[nodiscard]] TargetKind kind() const override { return real_.kind(); }
  [[nodiscard]] std::uint64_t pid() const override { return real_.pid(); }
  [[nodiscard]] bool local() const override { return real_.local(); }
  [[nodiscard]] bool stopped_by_host() const override { return real_.stopped_by_host(); }
  [[nodiscard]] std::uint64_t stop_id() const override { return real_.stop_id(); }
  Result<std::vector<Module>> modules() override { return real_.modules(); }
  Result<std::vector<TargetThread>> threads() override { return real_.threads(); }
  Result<RemoteAddr> symbol(const Module& module, std::string_view name) override {
    auto& found = symbols_[{module.begin.raw(), std::string(name)}];
    if (!found) found.emplace(real_.symbol(module, name));
    return *found;
  }
  Result<MemberLayout> member(std::string_view type, std::string_view path) override {
    return real_.member(type, path);
  }
  Result<CodeSymbol> code_symbol(RemoteAddr pc) override { return real_.code_symbol(pc); }

  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const std::uint64_t at = address.raw() + done;
      const auto& page = page_of(at / kPage * kPage);
      if (page.empty()) break;
      const std::size_t count = std::min<std::size_t>(out.size() - done, kPage - at % kPage);
      std::copy_n(page.begin() + static_cast<std::ptrdiff_t>(at % kPage), count,
                  out.begin() + static_cast<std::ptrdiff_t>(done));
      done += count;
    }
    for (const auto& [at, byte] : flips_)
      if (at >= address.raw() && at - address.raw() < done) out[at - address.raw()] = byte;
    if (done == 0 && !out.empty()) return Error{ErrorKind::unreadable, "no memory there", address};
    return done;
  }

  // Replaces what is at `address` from now on.
  void put(std::uint64_t address, std::byte value) { flips_[address] = value; }
  std::byte at(std::uint64_t address) {
    std::byte value{};
    static_cast<void>(read(RemoteAddr(address), std::span(&value, 1)).ok());
    return value;
  }
  void heal() { flips_.clear(); }

 private:
  const std::vector<std::byte>& page_of(std::uint64_t begin) {
    auto found = pages_.find(begin);
    if (found != pages_.end()) return found->second;
    std::vector<std::byte> page(kPage);
    page.resize(real_.read(RemoteAddr(begin), page).value_or(0) == kPage ? kPage : 0);
    return pages_.emplace(begin, std::move(page)).first->second;
  }

  Target& real_;
  std::map<std::uint64_t, std::vector<std::byte>> pages_;
  std::map<std::uint64_t, std::byte> flips_;
  std::map<std::pair<std::uint64_t, std::string>, std::optional<Result<RemoteAddr>>> symbols_;
};

struct Range {
  std::uint64_t begin = 0, size = 0;
};

// What the first decisions are made by.
std::vector<Range> decisive_ranges(Target& target) {
  std::vector<Range> ranges;
  auto python = cpython::Python::open(target);
  facts::Snapshot snapshot;
  if (!python || !(*python)->read(snapshot)) return ranges;
  constexpr std::uint64_t kRuntime = 4096, kInterpreter = 12'288, kThread = 400, kGil = 64;
  ranges.push_back({snapshot.python->runtime, kRuntime});
  for (const auto& interpreter : snapshot.python->interpreters) ranges.push_back({interpreter.address, kInterpreter});
  for (const auto& state : snapshot.python->thread_states) ranges.push_back({state.address, kThread});
  for (const auto& gil : snapshot.python->gils) ranges.push_back({gil.address, kGil});
  return ranges;
}

void corrupt(CorruptedTarget& target, const std::vector<Range>& ranges, std::mt19937& random) {
  const unsigned count = 1 + random() % 4;
  for (unsigned i = 0; i < count; ++i) {
    const Range& range = ranges[random() % ranges.size()];
    const std::uint64_t at = range.begin + random() % range.size;
    switch (random() % 3) {
      case 0: target.put(at, target.at(at) ^ static_cast<std::byte>(1U << random() % 8)); break;
      case 1: target.put(at, static_cast<std::byte>(random())); break;
      default: {  // a whole word: zero, all ones, or a pointer to itself
        const std::uint64_t word = at / 8 * 8, values[] = {0, UINT64_MAX, word};
        const std::uint64_t value = values[random() % 3];
        for (unsigned byte = 0; byte < 8; ++byte) target.put(word + byte, static_cast<std::byte>(value >> byte * 8));
      }
    }
  }
}

class Corrupted : public testing::TestWithParam<CPython> {};
INSTANTIATE_TEST_SUITE_P(, Corrupted, testing::ValuesIn(supported_pythons()),
                         python_name<testing::TestParamInfo<CPython>>);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Corrupted);

TEST_P(Corrupted, NoCrashNoHangNoFalseCertainty) {
  const char* given = std::getenv("HANG_SEEDS");
  const unsigned seeds = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 150;
  auto process = PythonProcess::run_script(GetParam(), std::string(HANG_LABS) + "/l1_asyncio_queue.py");
  ASSERT_TRUE(process.ok()) << process.error().describe();
  auto real = native::open_process((*process)->pid());
  ASSERT_TRUE(real.ok()) << real.error().describe();
  CorruptedTarget target(**real);
  const auto ranges = decisive_ranges(target);
  ASSERT_FALSE(ranges.empty());
  collect::Options options;
  options.interval = std::chrono::milliseconds(0);

  std::map<std::string, unsigned> outcomes;
  for (unsigned seed = 0; seed < seeds; ++seed) {
    std::mt19937 random(seed);
    target.heal();
    corrupt(target, ranges, random);
    const auto begin = std::chrono::steady_clock::now();
    auto snapshot = collect::collect(target, options);
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(took, std::chrono::seconds(10)) << "seed " << seed;
    if (!snapshot) {
      ++outcomes["refused"];
      EXPECT_FALSE(snapshot.error().message.empty());
      continue;
    }
    const auto verdict = verdict::classify(*snapshot);
    const std::string id = verdict.finding.id.empty() ? "undetermined" : verdict.finding.id;
    ++outcomes[id + " " + to_string(verdict.finding.confidence)];
    // It is L1; whoever says otherwise may not be sure.
    if (verdict.finding.id != "L1" && !verdict.finding.id.empty()) {
      EXPECT_NE(verdict.finding.confidence, verdict::Confidence::certain)
          << "seed " << seed << ": " << verdict.finding.id << " " << verdict.finding.summary;
    }
  }
  for (const auto& [outcome, count] : outcomes) std::cout << count << " x " << outcome << "\n";
}

}  // namespace
}  // namespace hang::test
