// Every row of a shipped table agrees with the embedding headers of every CPython of its minor that was found when the
// build was configured. Most of it is checked by the compiler (header_check.c): that this program exists is the proof.
#include <gtest/gtest.h>
#include <iostream>
#include <string>
#include <vector>

#include "cpython/layout/tables.h"

extern "C" {
#define HANG_LAYOUT_CHECK(function, minor, version, flavour) const char* function(int* count);
#include "layout_checks.inc"
#undef HANG_LAYOUT_CHECK
}

namespace hang::cpython::layout {

// So that GoogleTest prints a table as words and not as bytes.
void PrintTo(const Table& table, std::ostream* out);
void PrintTo(const Table& table, std::ostream* out) {
  *out << "CPython 3." << table.minor;
}

namespace {

struct Check {
  const char* (*run)(int* count);
  int minor;
  std::string version, flavour;
};

std::vector<Check> checks_of(int minor) {
  std::vector<Check> found;
#define HANG_LAYOUT_CHECK(function, its_minor, version, flavour) \
  if (minor == its_minor) found.push_back({function, its_minor, version, flavour});
#include "layout_checks.inc"
#undef HANG_LAYOUT_CHECK
  return found;
}

class ShippedTable : public testing::TestWithParam<Table> {};

TEST_P(ShippedTable, AgreesWithHeaders) {
  const auto checks = checks_of(GetParam().minor);
  if (checks.empty())
    GTEST_SKIP() << "no embedding headers of CPython 3." << GetParam().minor << " were found by CMake";
  for (const Check& check : checks) {
    int count = 0;
    const char* differs = check.run(&count);
    EXPECT_EQ(differs, nullptr) << "CPython " << check.version << " " << check.flavour << ": " << differs;
    EXPECT_EQ(count, static_cast<int>(GetParam().rows.size()));
    std::cout << count << " rows agree with the headers of CPython " << check.version << ", " << check.flavour << "\n";
  }
}

INSTANTIATE_TEST_SUITE_P(, ShippedTable, testing::ValuesIn(tables().begin(), tables().end()),
                         [](const auto& table) { return "py3_" + std::to_string(table.param.minor); });

}  // namespace
}  // namespace hang::cpython::layout
