// Dicts: combined and split tables, with general or str-only keys (Objects/dictobject.c).
#include <algorithm>
#include <fmt/format.h>

#include "cpython/object.h"
#include "cpython/reader.h"

namespace hang::cpython {

namespace {

// Where the entries of a PyDictKeysObject are.
struct Entries {
  RemoteAddr first;
  std::uint64_t count = 0, stride = 0, key_offset = 0, value_offset = 0;
  bool split = false;
};

Result<Entries> read_entries(Reader& reader, RemoteAddr keys) {
  constexpr const char* kKeys = "PyDictKeysObject";
  auto log2_size = reader.number(kKeys, "dk_log2_size", keys);
  auto log2_bytes = reader.number(kKeys, "dk_log2_index_bytes", keys);
  auto kind = reader.signed_number(kKeys, "dk_kind", keys);
  auto count = reader.number(kKeys, "dk_nentries", keys);
  auto header = reader.layout().size_of(kKeys);  // dk_indices follows without padding
  if (!log2_size) return log2_size.error();
  if (!log2_bytes) return log2_bytes.error();
  if (!kind) return kind.error();
  if (!count) return count.error();
  if (!header) return header.error();
  // USABLE_FRACTION: two thirds of the index table. An index entry has 1, 2, 4 or 8 bytes.
  if (*log2_size > 40 || *log2_bytes < *log2_size || *log2_bytes > *log2_size + 3 ||
      *count > (std::uint64_t{2} << *log2_size) / 3)
    return Error{ErrorKind::inconsistent, fmt::format("{} entries in a table of 2**{}", *count, *log2_size), keys,
                 kKeys};

  const char* entry = *kind == reader.constant("DICT_KEYS_GENERAL") ? "PyDictKeyEntry" : "PyDictUnicodeEntry";
  auto stride = reader.layout().size_of(entry);
  auto key = reader.layout().field(entry, "me_key");
  auto value = reader.layout().field(entry, "me_value");
  if (!stride) return stride.error();
  if (!key) return key.error();
  if (!value) return value.error();
  return Entries{keys.field(*header + (std::uint64_t{1} << *log2_bytes)),
                 *count,
                 *stride,
                 key->offset,
                 value->offset,
                 *kind == reader.constant("DICT_KEYS_SPLIT")};
}

}  // namespace

Result<void> Objects::dict_each(RemoteAddr dict, const std::function<bool(RemoteAddr key, RemoteAddr value)>& each) {
  if (auto good = require(dict, "Py_TPFLAGS_DICT_SUBCLASS", "a dict"); !good) return good.error();
  auto keys = reader_->pointer("PyDictObject", "ma_keys", dict);
  auto values = reader_->pointer("PyDictObject", "ma_values", dict);
  if (!keys) return keys.error();
  if (!values) return values.error();
  auto entries = read_entries(*reader_, *keys);
  if (!entries) return entries.error();
  auto first_value = reader_->address("PyDictValues", "values", *values);
  if (!first_value) return first_value.error();

  const std::uint64_t count = std::min<std::uint64_t>(entries->count, kMaxItems);
  for (std::uint64_t i = 0; i < count; ++i) {
    const RemoteAddr entry = entries->first.field(i * entries->stride);
    auto key = reader_->pointer_at(entry.field(entries->key_offset), "me_key");
    if (!key) return key.error();
    auto value =
        reader_->pointer_at(*values ? first_value->field(i * 8) : entry.field(entries->value_offset), "me_value");
    if (!value) return value.error();
    // A deleted entry keeps its place with NULLs; a split table has NULL for what this instance has not set.
    if (!*key || !*value) continue;
    if (!each(*key, *value)) return {};
  }
  if (count < entries->count)
    return Error{ErrorKind::budget, fmt::format("a dict of {} entries was read in part", entries->count), dict};
  return {};
}

Result<RemoteAddr> Objects::dict_get(RemoteAddr dict, const std::string& key) {
  RemoteAddr found;
  std::optional<Error> failed;
  auto done = dict_each(dict, [&](RemoteAddr name, RemoteAddr value) {
    auto same = equals(name, key);
    if (!same) failed = same.error();
    if (same && *same) found = value;
    return !found;
  });
  if (found) return found;
  if (!done) return done.error();
  if (failed) return *failed;  // an unreadable key could have been it
  return Error{ErrorKind::absent_field, "no such key", dict, key};
}

Result<RemoteAddr> Objects::value_by_shared_key(RemoteAddr keys, RemoteAddr values, const std::string& name) {
  auto entries = read_entries(*reader_, keys);
  if (!entries) return entries.error();
  auto& known = reader_->shared_keys[keys.raw()];
  auto index = known.find(name);
  for (std::uint64_t i = 0; index == known.end() && i < std::min<std::uint64_t>(entries->count, kMaxItems); ++i) {
    auto key = reader_->pointer_at(entries->first.field(i * entries->stride + entries->key_offset), "me_key");
    if (!key) return key.error();
    if (!*key) continue;
    auto same = equals(*key, name);
    if (!same) return same.error();
    if (*same) index = known.emplace(name, i).first;
  }
  if (index == known.end()) return Error{ErrorKind::absent_field, "no such attribute", values, name};
  auto first = reader_->address("PyDictValues", "values", values);
  if (!first) return first.error();
  // 3.13: values inside the object have room for as many as the class expected; keys may have grown beyond that.
  if (reader_->has("PyDictValues", "capacity")) {
    auto capacity = reader_->number("PyDictValues", "capacity", values);
    if (!capacity) return capacity.error();
    if (index->second >= *capacity) return Error{ErrorKind::absent_field, "no such attribute", values, name};
  }
  auto value = reader_->pointer_at(first->field(index->second * 8), "PyDictValues.values");
  if (!value) return value;
  if (!*value) return Error{ErrorKind::absent_field, "the attribute is not set", values, name};
  return value;
}

}  // namespace hang::cpython
