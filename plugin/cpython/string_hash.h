// StringHash: the hash that the target's CPython has for a str, so that a dict can be asked for a name as CPython asks.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "target/target.h"

namespace hang::cpython {

// SipHash-1-3 with the secret of the process (Python/pyhash.c, the default since 3.11; ./configure
// --with-hash-algorithm can choose another one). It is believed once it gave the hash that some str of the process has
// cached, and for names that are not shorter: up to a Py_HASH_CUTOFF, which a build may have, short ones are hashed
// otherwise.
class StringHash {
 public:
  // Keeps references; `module` is the one that defines _Py_HashSecret.
  StringHash(Target& target, const Module& module) : target_(&target), module_(&module) {}

  // The hash of an ASCII str; nothing as long as none of that length or shorter was confirmed.
  [[nodiscard]] std::optional<std::uint64_t> of(std::string_view ascii) const;
  // What the process has cached as the hash of such a str.
  void confirm(std::string_view ascii, std::uint64_t cached);

 private:
  struct Secret {
    std::uint64_t k0 = 0, k1 = 0;  // _Py_HashSecret_t.siphash (Include/pyhash.h, 3.11 to 3.15)
  };
  void read_secret();

  Target* target_;
  const Module* module_;
  bool read_ = false;
  std::optional<Secret> secret_;
  std::size_t shortest_ = SIZE_MAX;  // of those that were confirmed
};

// SipHash-1-3 as Python/pyhash.c has it; `ascii` is not empty.
std::uint64_t siphash13(std::uint64_t k0, std::uint64_t k1, std::string_view ascii);

}  // namespace hang::cpython
