// libFuzzer: `facts_fuzz FOLDER` with the seeds of `facts_fuzz_seeds FOLDER` in it.
#include <cstddef>
#include <cstdint>

#include "fuzz/facts_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hang::test::try_facts({reinterpret_cast<const char*>(data), size});
  return 0;
}
