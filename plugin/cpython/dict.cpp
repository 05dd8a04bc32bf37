// Dicts: combined and split tables, with general or str-only keys (Objects/dictobject.c).
#include <algorithm>
#include <fmt/format.h>
#include <optional>

#include "cpython/object.h"
#include "cpython/reader.h"

namespace hang::cpython {

namespace {

// A PyDictKeysObject: a hash table of indices, then the entries in order of insertion.
struct Keys {
  RemoteAddr indices, entries;
  std::uint64_t slots = 0, index_size = 1;  // of the hash table
  std::uint64_t count = 0, stride = 0, key_offset = 0, value_offset = 0;
};

Result<Keys> read_keys(Reader& reader, RemoteAddr at) {
  constexpr const char* kKeys = "PyDictKeysObject";
  auto log2_size = reader.number(kKeys, "dk_log2_size", at);
  auto log2_bytes = reader.number(kKeys, "dk_log2_index_bytes", at);
  auto kind = reader.signed_number(kKeys, "dk_kind", at);
  auto count = reader.number(kKeys, "dk_nentries", at);
  auto header = reader.layout().size_of(kKeys);  // dk_indices follows without padding
  if (!log2_size) return log2_size.error();
  if (!log2_bytes) return log2_bytes.error();
  if (!kind) return kind.error();
  if (!count) return count.error();
  if (!header) return header.error();
  // USABLE_FRACTION: two thirds of the hash table. An index has 1, 2, 4 or 8 bytes; an empty table has eight slots.
  if (*log2_size > 40 || *log2_bytes < *log2_size || *log2_bytes > *log2_size + 3 ||
      *count > (std::uint64_t{2} << *log2_size) / 3)
    return Error{ErrorKind::inconsistent, fmt::format("{} entries in a table of 2**{}", *count, *log2_size), at, kKeys};

  const char* entry = *kind == reader.constant("DICT_KEYS_GENERAL") ? "PyDictKeyEntry" : "PyDictUnicodeEntry";
  auto stride = reader.layout().size_of(entry);
  auto key = reader.layout().field(entry, "me_key");
  auto value = reader.layout().field(entry, "me_value");
  if (!stride) return stride.error();
  if (!key) return key.error();
  if (!value) return value.error();
  const RemoteAddr indices = at.field(*header);
  return Keys{indices,
              indices.field(std::uint64_t{1} << *log2_bytes),
              std::uint64_t{1} << *log2_size,
              std::uint64_t{1} << (*log2_bytes - *log2_size),
              *count,
              *stride,
              key->offset,
              value->offset};
}

Result<RemoteAddr> key_at(Reader& reader, const Keys& keys, std::uint64_t index) {
  return reader.pointer_at(keys.entries.field(index * keys.stride + keys.key_offset), "me_key");
}

// The value of entry `index`: in the entry, or for a split table in the values array. NULL if it is not set.
Result<RemoteAddr> value_at(Reader& reader, const Keys& keys, RemoteAddr values, std::uint64_t index) {
  if (!values) return reader.pointer_at(keys.entries.field(index * keys.stride + keys.value_offset), "me_value");
  auto first = reader.address("PyDictValues", "values", values);
  if (!first) return first;
  // 3.13 (gh-115776): the array has room for as many as the class expected; shared keys may have grown beyond that.
  if (reader.has("PyDictValues", "capacity")) {
    auto capacity = reader.number("PyDictValues", "capacity", values);
    if (!capacity) return capacity.error();
    if (index >= *capacity) return RemoteAddr();
  }
  return reader.pointer_at(first->field(index * 8), "PyDictValues.values");
}

using Index = std::optional<std::uint64_t>;

void prefetch_keys(Reader& reader, const Keys& keys) {
  constexpr std::uint64_t kMost = 512;
  std::vector<RemoteAddr> all;
  for (std::uint64_t i = 0; i < std::min(keys.count, kMost); ++i)
    if (auto key = key_at(reader, keys, i)) all.push_back(*key);
  reader.prefetch(all);
}

// Looks at every key, and learns the hash of `name` when it is found: all interpreters of a process share the hash
// secret, so that the next lookup of the same name can go through the hash table.
Result<Index> search(Reader& reader, const Keys& keys, const std::string& name) {
  Objects objects(reader);
  std::optional<Error> unreadable;  // the key that could not be read may be the one
  prefetch_keys(reader, keys);
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(keys.count, kMaxItems); ++i) {
    auto key = key_at(reader, keys, i);
    if (!key) return key.error();
    if (!*key) continue;
    auto same = objects.equals(*key, name);
    if (!same) unreadable = same.error();
    if (!same || !*same) continue;
    auto hash = reader.number("PyASCIIObject", "hash", *key);
    if (hash && *hash != UINT64_MAX) {
      reader.hashes.emplace(name, *hash);
      if (reader.string_hash) reader.string_hash->confirm(name, *hash);
    }
    return Index(i);
  }
  if (unreadable) return *unreadable;
  return Index();
}

// The probe sequence of Objects/dictobject.c, with its PERTURB_SHIFT of 5.
Result<Index> probe(Reader& reader, const Keys& keys, const std::string& name, std::uint64_t hash) {
  Objects objects(reader);
  const std::uint64_t mask = keys.slots - 1;
  std::uint64_t slot = hash & mask, perturb = hash;
  for (std::uint64_t step = 0; step < std::min<std::uint64_t>(keys.slots, kMaxItems) + 64; ++step) {
    auto raw = reader.word(keys.indices.field(slot * keys.index_size), keys.index_size, "dk_indices");
    if (!raw) return raw.error();
    const std::uint64_t unused = keys.index_size == 8 ? UINT64_MAX : (std::uint64_t{1} << keys.index_size * 8) - 1;
    if (*raw == unused) return Index();  // DKIX_EMPTY, -1
    if (*raw < keys.count) {             // not DKIX_DUMMY, -2
      auto key = key_at(reader, keys, *raw);
      if (!key) return key.error();
      auto same = *key ? objects.equals(*key, name) : Result<bool>(false);
      if (!same) return same.error();
      if (*same) return Index(*raw);
    }
    perturb >>= 5;
    slot = (slot * 5 + perturb + 1) & mask;
  }
  return Index();
}

Result<Index> find(Reader& reader, const Keys& keys, const std::string& name) {
  const auto hash = reader.hashes.find(name);
  if (hash != reader.hashes.end()) return probe(reader, keys, name, hash->second);
  const auto computed = reader.string_hash ? reader.string_hash->of(name) : std::nullopt;
  return computed ? probe(reader, keys, name, *computed) : search(reader, keys, name);
}

}  // namespace

void Objects::prefetch_dicts(const std::vector<RemoteAddr>& dicts) {
  constexpr std::uint64_t kPage = 4096, kMostPages = 16;  // of a table
  reader_->prefetch(dicts);
  std::vector<RemoteAddr> keys, pages;
  for (const RemoteAddr dict : dicts) {
    if (auto type = reader_->pointer("PyObject", "ob_type", dict)) pages.push_back(*type);
    if (auto at = reader_->pointer("PyDictObject", "ma_keys", dict)) keys.push_back(*at);
  }
  pages.insert(pages.end(), keys.begin(), keys.end());
  reader_->prefetch(pages);
  pages.clear();
  for (const RemoteAddr at : keys) {
    const auto table = read_keys(*reader_, at);
    if (!table) continue;
    const auto size = table->entries.field(table->count * table->stride).raw() - at.raw();
    for (std::uint64_t page = 0; page < std::min(size / kPage + 1, kMostPages); ++page)
      pages.push_back(at.field(page * kPage));
  }
  reader_->prefetch(pages);
}

Result<void> Objects::dict_each(RemoteAddr dict, const std::function<bool(RemoteAddr key, RemoteAddr value)>& each) {
  if (auto good = require(dict, "Py_TPFLAGS_DICT_SUBCLASS", "a dict"); !good) return good.error();
  auto at = reader_->pointer("PyDictObject", "ma_keys", dict);
  auto values = reader_->pointer("PyDictObject", "ma_values", dict);
  if (!at) return at.error();
  if (!values) return values.error();
  auto keys = read_keys(*reader_, *at);
  if (!keys) return keys.error();
  const std::uint64_t count = std::min<std::uint64_t>(keys->count, kMaxItems);
  for (std::uint64_t i = 0; i < count; ++i) {
    auto key = key_at(*reader_, *keys, i);
    if (!key) return key.error();
    auto value = value_at(*reader_, *keys, *values, i);
    if (!value) return value.error();
    // A deleted entry keeps its place with NULLs; a split table has NULL for what this instance has not set.
    if (!*key || !*value) continue;
    if (!each(*key, *value)) return {};
  }
  if (count < keys->count)
    return Error{ErrorKind::budget, fmt::format("a dict of {} entries was read in part", keys->count), dict};
  return {};
}

Result<RemoteAddr> Objects::dict_get(RemoteAddr dict, const std::string& key) {
  if (auto good = require(dict, "Py_TPFLAGS_DICT_SUBCLASS", "a dict"); !good) return good.error();
  auto at = reader_->pointer("PyDictObject", "ma_keys", dict);
  auto values = reader_->pointer("PyDictObject", "ma_values", dict);
  if (!at) return at;
  if (!values) return values;
  auto keys = read_keys(*reader_, *at);
  if (!keys) return keys.error();
  auto index = find(*reader_, *keys, key);
  if (!index) return index.error();
  auto value = *index ? value_at(*reader_, *keys, *values, **index) : Result<RemoteAddr>(RemoteAddr());
  if (value && !*value) return Error{ErrorKind::absent_field, "no such key", dict, key};
  return value;
}

Result<std::vector<std::string>> Objects::shared_key_names(RemoteAddr at) {
  auto keys = read_keys(*reader_, at);
  if (!keys) return keys.error();
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(keys->count, kMaxItems); ++i) {
    auto key = key_at(*reader_, *keys, i);
    if (!key) return key.error();
    if (!*key) continue;
    if (auto name = str(*key)) names.push_back(std::move(*name));
  }
  return names;
}

Result<RemoteAddr> Objects::value_by_shared_key(RemoteAddr at, RemoteAddr values, const std::string& name) {
  auto keys = read_keys(*reader_, at);
  if (!keys) return keys.error();
  auto& known = reader_->shared_keys[at.raw()];
  auto index = known.find(name);
  if (index == known.end()) {
    auto found = find(*reader_, *keys, name);
    if (!found) return found.error();
    if (!*found) return Error{ErrorKind::absent_field, "no such attribute", values, name};
    index = known.emplace(name, **found).first;
  }
  auto value = value_at(*reader_, *keys, values, index->second);
  if (value && !*value) return Error{ErrorKind::absent_field, "the attribute is not set", values, name};
  return value;
}

}  // namespace hang::cpython
