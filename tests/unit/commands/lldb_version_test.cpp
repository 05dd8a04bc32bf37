#include <gtest/gtest.h>

#include "hosts/lldb/version.h"

namespace hang::lldb_host {
namespace {

TEST(Version, IsReadFromLldbsOwnWords) {
  EXPECT_EQ(major_version("lldb version 22.1.8"), 22);
  EXPECT_EQ(major_version("lldb version 14.0.6\n  clang revision"), 14);
  EXPECT_EQ(major_version("lldb version 23.0.0git (https://github.com/llvm/llvm-project)"), 23);
  EXPECT_EQ(major_version("Debian lldb version 9.0.1"), 9);
  EXPECT_EQ(major_version("lldb-1600.0.36.3"), std::nullopt);
  EXPECT_EQ(major_version("lldb version 99999999999999999999"), std::nullopt);
  EXPECT_EQ(major_version("lldb version "), std::nullopt);
  EXPECT_EQ(major_version(""), std::nullopt);
}

}  // namespace
}  // namespace hang::lldb_host
