#include "cpython/disassembler.h"

#include <gtest/gtest.h>

#include "support/fake_target.h"

namespace hang::cpython {
namespace {

using Kind = CodeReference::Kind;

class DisassemblerTest : public testing::Test {
 protected:
  // Code at 0x401000 in a module of 0x400000 to 0x500000.
  CodeWalk walk(std::initializer_list<unsigned> code) {
    std::vector<std::byte> bytes;
    for (const unsigned byte : code) bytes.push_back(static_cast<std::byte>(byte));
    target_.put_bytes(RemoteAddr(0x401000), bytes);
    const Module module{"/x", "/x", RemoteAddr(0), RemoteAddr(0x400000), RemoteAddr(0x500000)};
    auto disassembler = Disassembler::open();
    EXPECT_TRUE(disassembler.ok()) << disassembler.error().describe();
    auto found = disassembler->walk(target_, RemoteAddr(0x401000), module);
    EXPECT_TRUE(found.ok()) << found.error().describe();
    return found.value_or({});
  }
  test::FakeTarget target_;
};

TEST_F(DisassemblerTest, RipRelativeLoadAndExchange) {
  const auto code = walk({0x8b, 0x05, 0xfa, 0x0f, 0x00, 0x00,  // mov 0xffa(%rip),%eax    -> 0x402000
                          0x87, 0x05, 0xf4, 0x0f, 0x00, 0x00,  // xchg %eax,0xff4(%rip)   -> 0x402000
                          0xc3});                              // ret
  ASSERT_EQ(code.references.size(), 2U);
  EXPECT_EQ(code.references[0].address, RemoteAddr(0x402000));
  EXPECT_EQ(code.references[0].kind, Kind::load);
  EXPECT_EQ(code.references[0].size, 4U);
  EXPECT_EQ(code.references[1].address, RemoteAddr(0x402000));
  EXPECT_EQ(code.references[1].kind, Kind::exchange);
}

TEST_F(DisassemblerTest, ArrayByDisplacementAndByAddress) {
  const auto code = walk({0xc7, 0x80, 0x00, 0x20, 0x40, 0x00, 0x01, 0x00, 0x00, 0x00,  // movl $1,0x402000(%rax)
                          0x48, 0x8d, 0x05, 0xf7, 0x0f, 0x00, 0x00,  // lea 0xff7(%rip),%rax -> 0x402008
                          0x4c, 0x8b, 0x24, 0x28,                    // mov (%rax,%rbp),%r12
                          0xc3});
  ASSERT_EQ(code.references.size(), 3U);
  EXPECT_EQ(code.references[0].kind, Kind::store);
  EXPECT_TRUE(code.references[0].indexed);
  EXPECT_EQ(code.references[0].immediate, 1);
  EXPECT_EQ(code.references[1].kind, Kind::address);
  EXPECT_EQ(code.references[2].address, RemoteAddr(0x402008));
  EXPECT_EQ(code.references[2].kind, Kind::load);
  EXPECT_EQ(code.references[2].size, 8U);
  EXPECT_TRUE(code.references[2].indexed);
}

TEST_F(DisassemblerTest, CallForgetsRegisters) {
  const auto code = walk({0xb8, 0x00, 0x20, 0x40, 0x00,  // mov $0x402000,%eax
                          0xe8, 0xf6, 0x0f, 0x00, 0x00,  // call 0x402000
                          0x8b, 0x00,                    // mov (%rax),%eax
                          0xc3});
  ASSERT_EQ(code.calls.size(), 1U);
  EXPECT_EQ(code.calls[0], RemoteAddr(0x402000));
  ASSERT_EQ(code.references.size(), 1U) << "what the call returned is not known";
}

TEST_F(DisassemblerTest, FollowsBothSidesOfAJump) {
  const auto code = walk({0x74, 0x07,                          // je +7 -> 0x401009
                          0x8b, 0x05, 0xf8, 0x0f, 0x00, 0x00,  // mov 0xff8(%rip),%eax -> 0x402000
                          0xc3,                                // ret
                          0x8b, 0x05, 0xf5, 0x0f, 0x00, 0x00,  // mov 0xff5(%rip),%eax -> 0x402004
                          0xeb, 0xef});                        // jmp 0x401000
  ASSERT_EQ(code.references.size(), 2U);
  EXPECT_EQ(code.references[0].address, RemoteAddr(0x402000));
  EXPECT_EQ(code.references[1].address, RemoteAddr(0x402004));
}

TEST_F(DisassemblerTest, EndsWhereCodeIsMissingOrNonsense) {
  EXPECT_TRUE(walk({0x90, 0x90}).references.empty());                    // runs off the end
  EXPECT_TRUE(walk({0x06, 0x90}).references.empty());                    // not an instruction in 64-bit mode
  EXPECT_TRUE(walk({0xff, 0xe0}).references.empty());                    // jmp *%rax
  EXPECT_TRUE(walk({0xe9, 0xfb, 0xff, 0xff, 0x7f}).references.empty());  // jmp out of the module
}

TEST_F(DisassemblerTest, UnreadableEntryIsAnError) {
  auto disassembler = Disassembler::open();
  ASSERT_TRUE(disassembler.ok());
  const Module module{"/x", "/x", RemoteAddr(0), RemoteAddr(0), RemoteAddr(UINT64_MAX)};
  EXPECT_EQ(disassembler->walk(target_, RemoteAddr(0x1000), module).error().kind, ErrorKind::unreadable);
}

}  // namespace
}  // namespace hang::cpython
