// One input of the core fuzzer: bytes that are taken for a core. Also replayed by a plain test, without libFuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hang::test {

// Opens the bytes as a core, reads at the edges of all its segments, and looks for its modules. True if it was
// accepted. Whatever the bytes are, it returns.
bool try_core(std::span<const std::uint8_t> bytes);

// Small cores to begin with, each with another part of the format in it.
std::vector<std::string> core_seeds();

}  // namespace hang::test
