// Unwinder: the native stack of a thread that sleeps in the kernel, from outside and without a stop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "target/target.h"

namespace hang::native {

// Walks by the unwind tables (.eh_frame) of the loaded files, with elfutils' libdw. /proc tells two registers of a
// thread asleep in a system call, the program counter and the stack pointer; the walk ends where a frame needs one
// that is not known.
class Unwinder {
 public:
  // Reads the target's memory; returns how many leading bytes are there.
  using Read = std::function<std::size_t(std::uint64_t address, std::span<std::byte> out)>;

  Unwinder(const std::vector<Module>& modules, Read read);
  Unwinder(const Unwinder&) = delete;
  Unwinder& operator=(const Unwinder&) = delete;
  ~Unwinder();

  // Return addresses, innermost first; the first is `pc` itself. Errors: `no_symbols` if libdw cannot begin.
  Result<std::vector<std::uint64_t>> walk(std::uint64_t tid, std::uint64_t pc, std::uint64_t sp);

 private:
  struct State;  // libdw's types stay out of the header
  std::unique_ptr<State> state_;
};

}  // namespace hang::native
