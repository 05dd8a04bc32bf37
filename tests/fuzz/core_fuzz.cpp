// libFuzzer: `core_fuzz FOLDER` with the seeds of `core_fuzz_seeds FOLDER` in it.
#include "fuzz/core_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hang::test::try_core({data, size});
  return 0;
}
