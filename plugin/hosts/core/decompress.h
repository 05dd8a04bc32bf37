// Decompress: cores as kernels' helpers store them (.zst, .lz4, .xz, .gz), unpacked into a file that nobody else sees.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace hang::core {

enum class Compression { none, zstd, lz4, xz, gzip };

// A new file without a name in $TMPDIR or /tmp: it goes with the descriptor, which is the caller's, whatever becomes of
// us. -1: errno says why.
int temporary_file();

// By the first bytes of the file; `none` also for what cannot be read.
Compression compression_of(const std::string& path);

struct Unpacked {
  int fd = -1;                      // without a name, in $TMPDIR or /tmp; pages of zeros are holes in it
  std::optional<std::string> flaw;  // why it ends before its end: what was there until then is in it
};

// Errors: `io`: the file cannot be opened, holds nothing, or there is no room for it (bounded by what the temporary
// file system has free, and by 64 GiB).
Result<Unpacked> unpack(const std::string& path, Compression compression);

}  // namespace hang::core
