// Reader: typed reads of one target's CPython structs by field name, and the caches of one sample.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "cpython/layout/layout.h"
#include "cpython/memory.h"
#include "cpython/runtime.h"
#include "cpython/signal_statics.h"
#include "cpython/string_hash.h"

namespace hang::cpython {

// What a frame needs to know of its code object.
struct Code {
  std::string function, file;  // co_qualname, co_filename
  RemoteAddr first;            // &co_code_adaptive[0]
  RemoteAddr linetable;        // bytes object
  std::int64_t first_line = 0;
  std::uint64_t units = 0;                       // code units
  std::uint64_t first_traceable = 0;             // index of the first RESUME
  std::uint64_t locals = 0, stack = 0;           // co_nlocalsplus, co_stacksize
  RemoteAddr names, kinds;                       // co_localsplusnames, co_localspluskinds
  std::unordered_map<std::uint64_t, int> lines;  // code unit index -> line, as asked so far
};

// Where the members of an _PyInterpreterFrame lie that every walk reads: looked up once, read together.
struct FramePlaces {
  std::uint64_t code = 0, previous = 0, instruction = 0, owner = 0;
  std::optional<std::uint64_t> is_entry;  // 3.11
  std::uint64_t size = 0;                 // of what must be read to have them all
};

// Keeps references to a target and a layout that outlive it.
class Reader {
 public:
  Reader(Target& target, layout::Layout& layout) : memory_(target), layout_(&layout) {}

  Result<void> bytes(RemoteAddr at, std::span<std::byte> out, std::string_view field = {}) {
    return memory_.read(at, out, field);
  }

  // A member of 1, 2, 4 or 8 bytes, zero- or sign-extended.
  Result<std::uint64_t> number(std::string_view type, std::string_view member, RemoteAddr object);
  Result<std::int64_t> signed_number(std::string_view type, std::string_view member, RemoteAddr object);
  Result<RemoteAddr> pointer(std::string_view type, std::string_view member, RemoteAddr object);
  Result<std::uint64_t> bits(std::string_view type, std::string_view member, std::string_view bits, RemoteAddr object);
  // Where a member lies.
  Result<RemoteAddr> address(std::string_view type, std::string_view member, RemoteAddr object);
  // A word of 1, 2, 4 or 8 bytes at an address.
  Result<std::uint64_t> word(RemoteAddr at, std::uint64_t size, std::string_view field = {});
  Result<RemoteAddr> pointer_at(RemoteAddr at, std::string_view field = {});
  // The object of a _PyStackRef: 3.14+ keeps how it counts in the low bits (Include/internal/pycore_stackref.h). NULL
  // for a tagged int or an error mark, which are no objects.
  [[nodiscard]] RemoteAddr untagged(std::uint64_t stackref) const;
  // A NUL-terminated string of at most `limit` bytes.
  Result<std::string> c_string(RemoteAddr at, std::size_t limit, std::string_view field = {});

  // A named constant; `fallback` where this CPython has none.
  std::int64_t constant(std::string_view name, std::int64_t fallback = -1) {
    return layout_->constant(name).value_or(fallback);
  }
  [[nodiscard]] layout::Layout& layout() { return *layout_; }
  [[nodiscard]] Target& target() { return memory_.target(); }
  [[nodiscard]] bool has(std::string_view type, std::string_view member) { return layout_->has(type, member); }

  // Reads ahead: one call of the kernel for many pages.
  void prefetch(std::span<const RemoteAddr> addresses) { memory_.prefetch(addresses); }

  // Starts a new sample: nothing that was read before is believed any more.
  void flush();
  // Forgets plain memory: what is known of types and code objects stays.
  void flush_memory() { memory_.flush(); }

  // The places of this layout; an error names the field that it does not have.
  Result<const FramePlaces*> frame_places();

  // Caches of one sample; types and code objects do not change while they live.
  std::unordered_map<std::uint64_t, std::string> type_names;       // PyTypeObject -> tp_name
  std::unordered_map<std::uint64_t, std::string> qualified_names;  // of heap types: "queue.Queue"
  std::unordered_map<std::uint64_t, Code> codes;                   // PyCodeObject
  // str -> its hash, as a key that was found has it; the same in all interpreters of the process.
  std::unordered_map<std::string, std::uint64_t> hashes;
  // The same of any name, where it can be had.
  std::optional<StringHash> string_hash;
  // 3.11: where signalmodule.c keeps its state; found once, by reading code.
  std::optional<SignalStatics> signal_statics;
  // (PyDictKeysObject, attribute name) -> index of the entry; shared keys only grow.
  std::unordered_map<std::uint64_t, std::unordered_map<std::string, std::uint64_t>> shared_keys;

 private:
  Memory memory_;
  layout::Layout* layout_;
  std::optional<FramePlaces> frame_places_;
};

}  // namespace hang::cpython
