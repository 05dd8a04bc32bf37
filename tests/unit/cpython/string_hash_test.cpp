#include "cpython/string_hash.h"

#include <gtest/gtest.h>
#include <string>

#include "support/fake_target.h"

namespace hang::cpython {
namespace {

using hang::test::FakeTarget;

// What CPython 3.11.2 says with PYTHONHASHSEED=0, which makes both halves of the secret 0.
TEST(SipHash, IsCPythons) {
  EXPECT_EQ(siphash13(0, 0, "a"), 0x407448d2b89b1813U);
  EXPECT_EQ(siphash13(0, 0, "asyncio"), 0x1246e91ec487cec3U);                    // 7 bytes: one word
  EXPECT_EQ(siphash13(0, 0, "asyncio.tasks"), 0xe241511f2ecb4902U);              // 13
  EXPECT_EQ(siphash13(0, 0, "concurrent.futures.thread"), 0x59cdd1ae0aa5056aU);  // 25
}

class StringHashTest : public testing::Test {
 protected:
  void SetUp() override {
    const RemoteAddr secret = target_.allocate(24);
    target_.put(secret, std::uint64_t{0});
    target_.put(secret.field(8), std::uint64_t{0});
    target_.add_symbol(module_.path, "_Py_HashSecret", secret);
  }
  FakeTarget target_;
  Module module_;
};

TEST_F(StringHashTest, IsBelievedOnceConfirmedAndForNamesNotShorter) {
  StringHash hash(target_, module_);
  EXPECT_EQ(hash.of("asyncio"), std::nullopt);
  hash.confirm("threading", 0xfcfc27a99f1078d4);
  EXPECT_EQ(hash.of("asyncio.tasks"), 0xe241511f2ecb4902U);
  EXPECT_EQ(hash.of("asyncio"), std::nullopt);
  hash.confirm("sys", 0x773cc7fa6f8304c3);
  EXPECT_EQ(hash.of("asyncio"), 0x1246e91ec487cec3U);
  EXPECT_EQ(hash.of("caf\xc3\xa9"), std::nullopt);  // its characters are not these bytes
}

TEST_F(StringHashTest, AnotherAlgorithmIsNotBelieved) {
  StringHash hash(target_, module_);
  hash.confirm("threading", 1);
  EXPECT_EQ(hash.of("asyncio.tasks"), std::nullopt);
}

TEST_F(StringHashTest, WithoutASecretNothingIsSaid) {
  FakeTarget empty;
  StringHash hash(empty, module_);
  hash.confirm("threading", 0xfcfc27a99f1078d4);
  EXPECT_EQ(hash.of("asyncio.tasks"), std::nullopt);
}

}  // namespace
}  // namespace hang::cpython
