// Location tables (Objects/locations.md of CPython 3.11): entry heads are 0x80 | kind << 3 | units - 1.
#include <gtest/gtest.h>
#include <vector>

#include "cpython/readers.h"

namespace hang::cpython {
namespace {

int line(std::initializer_list<int> bytes, std::int64_t unit, std::int64_t first = 10) {
  std::vector<std::byte> table;
  for (const int byte : bytes) table.push_back(static_cast<std::byte>(byte));
  return decode_line(table, first, unit);
}

constexpr int head(int kind, int units) {
  return 0x80 | kind << 3 | (units - 1);
}

TEST(LineTable, ShortFormsStayOnTheLine) {
  EXPECT_EQ(line({head(0, 2), 0x10}, 0), 10);
  EXPECT_EQ(line({head(0, 2), 0x10}, 1), 10);
  EXPECT_EQ(line({head(9, 8), 0x10}, 7), 10);
}

TEST(LineTable, OneLineFormsAddZeroToTwo) {
  EXPECT_EQ(line({head(10, 1), 1, 2, head(11, 1), 1, 2, head(12, 1), 1, 2}, 0), 10);
  EXPECT_EQ(line({head(10, 1), 1, 2, head(11, 1), 1, 2, head(12, 1), 1, 2}, 1), 11);
  EXPECT_EQ(line({head(10, 1), 1, 2, head(11, 1), 1, 2, head(12, 1), 1, 2}, 2), 13);
}

TEST(LineTable, SignedDeltas) {
  // -3 is magnitude 3 with sign bit: 3 << 1 | 1 = 7.
  EXPECT_EQ(line({head(13, 1), 7}, 0), 7);
  // 1000 << 1 = 2000 = 16 + 31 * 64: 0x40 | 16, 31.
  EXPECT_EQ(line({head(13, 1), 0x40 | 16, 31}, 0), 1010);
  // Long form: line delta 2, then end line, column and end column, which are not looked at.
  EXPECT_EQ(line({head(14, 1), 4, 1, 2, 3, head(10, 1), 1, 2}, 1), 12);
}

TEST(LineTable, NoLocation) {
  EXPECT_EQ(line({head(15, 1), head(11, 1), 0, 0}, 0), 0);
  EXPECT_EQ(line({head(15, 1), head(11, 1), 0, 0}, 1), 11);
}

TEST(LineTable, OutsideTheTable) {
  EXPECT_EQ(line({head(0, 1), 0}, -1), 10) << "before the first instruction";
  EXPECT_EQ(line({head(0, 1), 0}, 1), 0);
  EXPECT_EQ(line({}, 0), 0);
}

TEST(LineTable, NonsenseEnds) {
  EXPECT_EQ(line({head(13, 1)}, 0), 10) << "the delta is cut off";
  EXPECT_EQ(line({head(13, 1), 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f}, 0), 0);
  EXPECT_EQ(line({0, 1, 2, 3}, 5), 0);
  // A line below zero is no line.
  EXPECT_EQ(line({head(13, 1), 63}, 0), 0);
}

}  // namespace
}  // namespace hang::cpython
