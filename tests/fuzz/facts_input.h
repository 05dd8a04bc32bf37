// What the fuzzer of facts files and its replay share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hang::test {

// Reads `text` as a facts file and, if it is one, classifies it and prints every report of it. True if it was one.
// Aborts where a verdict breaks its contract; crashes and endless loops are for the caller to see.
bool try_facts(std::string_view text);

// Facts files with something of every kind in them.
std::vector<std::string> facts_seeds();

}  // namespace hang::test
