// Disassembler: which fixed addresses a function's code uses, where a stripped file has no symbol for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "target/target.h"

namespace hang::cpython {

// One use of a fixed address.
struct CodeReference {
  enum class Kind { load, store, exchange, address };  // address: taken, not followed (lea, mov $imm)
  Kind kind = Kind::address;
  RemoteAddr instruction;
  RemoteAddr address;                     // without the index register's part
  std::uint32_t size = 0;                 // bytes accessed; 0 for `address`
  bool indexed = false;                   // an unknown register is added: an element of an array
  std::optional<std::int64_t> immediate;  // what a store stores, if that is a constant
};

struct CodeWalk {
  std::vector<CodeReference> references;  // in the order found
  std::vector<RemoteAddr> calls;          // targets of direct calls, each once
};

// x86-64 code by libcapstone, which is loaded when first needed: it is 6 MB, and only a stripped CPython 3.11 needs it.
class Disassembler {
 public:
  // Errors: `no_symbols` saying that libcapstone is not installed.
  static Result<Disassembler> open();
  Disassembler(Disassembler&&) noexcept;
  Disassembler& operator=(Disassembler&&) noexcept;
  ~Disassembler();

  // Follows the code from `entry` along jumps of both kinds (compilers move unlikely blocks far away) but not into
  // calls, inside `module`, for a bounded number of instructions. What is unreadable or undecodable ends that branch.
  // Errors: those of reading the first instruction; `inconsistent` if it does not decode.
  Result<CodeWalk> walk(Target& target, RemoteAddr entry, const Module& module) const;

 private:
  struct Library;
  explicit Disassembler(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace hang::cpython
