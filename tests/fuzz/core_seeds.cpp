// Writes the seeds of the core fuzzer into a folder.
#include <cstdio>
#include <fstream>

#include "fuzz/core_input.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: core_fuzz_seeds FOLDER\n");
    return 2;
  }
  int number = 0;
  for (const auto& seed : hang::test::core_seeds())
    std::ofstream(std::string(argv[1]) + "/core-" + std::to_string(number++), std::ios::binary) << seed;
  return 0;
}
