// Writes the seeds of the fuzzer of facts files into a folder.
#include <cstdio>
#include <fstream>

#include "fuzz/facts_input.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: facts_fuzz_seeds FOLDER\n");
    return 2;
  }
  int number = 0;
  for (const auto& seed : hang::test::facts_seeds())
    std::ofstream(std::string(argv[1]) + "/facts-" + std::to_string(number++) + ".json", std::ios::binary) << seed;
  return 0;
}
