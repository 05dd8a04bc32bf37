// Lists, tuples, sets, deques and simple queues.
#include <algorithm>
#include <fmt/format.h>

#include "base/budget.h"
#include "cpython/object.h"
#include "cpython/reader.h"

namespace hang::cpython {

namespace {

constexpr std::int64_t kMaxLength = std::int64_t{1} << 40;

Result<std::int64_t> checked_length(Result<std::int64_t> length, RemoteAddr object) {
  if (length && (*length < 0 || *length > kMaxLength))
    return Error{ErrorKind::inconsistent, fmt::format("a container of {} items", *length), object};
  return length;
}

}  // namespace

Result<std::int64_t> Objects::length(RemoteAddr object) {
  auto type = type_of(object);
  if (!type) return type.error();
  auto flags = flags_of_type(*type);
  auto name = type_name(object);
  if (!flags) return flags.error();
  if (!name) return name.error();
  const auto is = [&](const char* flag) {
    return (*flags & static_cast<std::uint64_t>(reader_->constant(flag, 0))) != 0;
  };
  if (is("Py_TPFLAGS_DICT_SUBCLASS"))
    return checked_length(reader_->signed_number("PyDictObject", "ma_used", object), object);
  if (*name == "set" || *name == "frozenset")
    return checked_length(reader_->signed_number("PySetObject", "used", object), object);
  if (is("Py_TPFLAGS_LIST_SUBCLASS") || is("Py_TPFLAGS_TUPLE_SUBCLASS") || *name == "collections.deque")
    return checked_length(reader_->signed_number("PyVarObject", "ob_size", object), object);
  if (*name == "_queue.SimpleQueue") return checked_length(queue_length(object), object);
  return Error{ErrorKind::inconsistent, fmt::format("a {} has no length that is known here", *name), object};
}

Result<std::vector<RemoteAddr>> Objects::items(RemoteAddr object) {
  auto type = type_name(object);
  auto count = length(object);
  if (!type) return type.error();
  if (!count) return count.error();
  const std::int64_t kept = std::min<std::int64_t>(*count, static_cast<std::int64_t>(kMaxItems));
  if (*type == "collections.deque") return deque_items(object, kept);
  if (*type == "set" || *type == "frozenset") return set_items(object);
  if (*type == "_queue.SimpleQueue") return queue_items(object, kept);
  if (require(object, "Py_TPFLAGS_TUPLE_SUBCLASS", "a tuple")) {
    auto data = reader_->address("PyTupleObject", "ob_item", object);
    return data ? pointers(*data, kept, "tuple items") : Result<std::vector<RemoteAddr>>(data.error());
  }
  if (auto good = require(object, "Py_TPFLAGS_LIST_SUBCLASS", "a list, tuple, set or deque"); !good)
    return good.error();
  auto data = reader_->pointer("PyListObject", "ob_item", object);
  return data ? pointers(*data, kept, "list items") : Result<std::vector<RemoteAddr>>(data.error());
}

Result<std::int64_t> Objects::queue_length(RemoteAddr object) {
  constexpr const char* kQueue = "simplequeueobject";
  if (reader_->has(kQueue, "buf.num_items")) return reader_->signed_number(kQueue, "buf.num_items", object);
  auto list = reader_->pointer(kQueue, "lst", object);
  auto first = reader_->signed_number(kQueue, "lst_pos", object);
  if (!list) return list.error();
  if (!first) return first.error();
  auto all = length(*list);
  return all ? Result<std::int64_t>(*all - *first) : all;
}

Result<std::vector<RemoteAddr>> Objects::queue_items(RemoteAddr object, std::int64_t count) {
  constexpr const char* kQueue = "simplequeueobject";
  if (!reader_->has(kQueue, "buf.items")) {
    auto list = reader_->pointer(kQueue, "lst", object);
    auto first = reader_->signed_number(kQueue, "lst_pos", object);
    if (!list) return list.error();
    if (!first) return first.error();
    auto all = items(*list);
    if (!all) return all.error();
    const auto skipped = std::clamp<std::int64_t>(*first, 0, static_cast<std::int64_t>(all->size()));
    return std::vector<RemoteAddr>(all->begin() + skipped, all->end());
  }
  auto at = reader_->pointer(kQueue, "buf.items", object);
  auto first = reader_->signed_number(kQueue, "buf.get_idx", object);
  auto capacity = reader_->signed_number(kQueue, "buf.items_cap", object);
  if (!at) return at.error();
  if (!first) return first.error();
  if (!capacity) return capacity.error();
  if (*first < 0 || *capacity <= 0 || *first >= *capacity || count > *capacity)
    return Error{ErrorKind::inconsistent, "a ring buffer with an index outside of it", object, "simplequeueobject.buf"};
  const std::int64_t tail = std::min(count, *capacity - *first);
  auto found = pointers(at->field(static_cast<std::uint64_t>(*first) * 8), tail, "queue items");
  if (!found || tail == count) return found;
  auto wrapped = pointers(*at, count - tail, "queue items");
  if (!wrapped) return wrapped.error();
  found->insert(found->end(), wrapped->begin(), wrapped->end());
  return found;
}

Result<std::vector<RemoteAddr>> Objects::pointers(RemoteAddr at, std::int64_t count, const char* what) {
  std::vector<std::uint64_t> raw(static_cast<std::size_t>(count));
  if (auto done = reader_->bytes(at, std::as_writable_bytes(std::span(raw)), what); !done) return done.error();
  std::vector<RemoteAddr> found;
  found.reserve(raw.size());
  for (const std::uint64_t pointer : raw) found.emplace_back(pointer);
  return found;
}

Result<std::vector<RemoteAddr>> Objects::deque_items(RemoteAddr object, std::int64_t count) {
  // Modules/_collectionsmodule.c: a list of blocks of BLOCKLEN pointers; leftindex counts from the first block's start.
  auto block = reader_->pointer("dequeobject", "leftblock", object);
  auto index = reader_->number("dequeobject", "leftindex", object);
  auto data = reader_->layout().field("block", "data");
  if (!block) return block.error();
  if (!index) return index.error();
  if (!data) return data.error();
  const std::uint64_t per_block = data->size / 8;
  if (*index > per_block)
    return Error{ErrorKind::inconsistent, fmt::format("{} is outside a block", *index), object,
                 "dequeobject.leftindex"};
  std::vector<RemoteAddr> found;
  Budget budget("deque blocks", kMaxItems / per_block + 2);
  while (static_cast<std::int64_t>(found.size()) < count) {
    if (auto step = budget.visit(*block); !step) return step.error();
    const std::uint64_t left = static_cast<std::uint64_t>(count) - found.size();
    const std::uint64_t here = std::min(per_block - *index, left);
    auto some = pointers(block->field(data->offset + *index * 8), static_cast<std::int64_t>(here), "deque block");
    if (!some) return some;
    found.insert(found.end(), some->begin(), some->end());
    index = std::uint64_t{0};
    block = reader_->pointer("block", "rightlink", *block);
    if (!block) return block.error();
  }
  return found;
}

Result<std::vector<RemoteAddr>> Objects::set_items(RemoteAddr object) {
  auto mask = reader_->number("PySetObject", "mask", object);
  auto table = reader_->pointer("PySetObject", "table", object);
  auto key = reader_->layout().field("setentry", "key");
  auto hash = reader_->layout().field("setentry", "hash");
  auto size = reader_->layout().size_of("setentry");
  if (!mask) return mask.error();
  if (!table) return table.error();
  if (!key) return key.error();
  if (!hash) return hash.error();
  if (!size) return size.error();
  if ((*mask & (*mask + 1)) != 0)
    return Error{ErrorKind::inconsistent, "not a power of two minus one", object, "PySetObject.mask"};
  std::vector<RemoteAddr> found;
  const std::uint64_t slots = std::min<std::uint64_t>(*mask, 4 * kMaxItems) + 1;  // a quarter full
  for (std::uint64_t i = 0; i < slots; ++i) {
    const RemoteAddr entry = table->field(i * *size);
    auto pointer = reader_->pointer_at(entry.field(key->offset), "setentry.key");
    if (!pointer) return pointer.error();
    auto value = reader_->word(entry.field(hash->offset), hash->size, "setentry.hash");
    if (!value) return value.error();
    // An unused slot has no key, a deleted one the hash -1 (Include/cpython/setobject.h).
    if (*pointer && *value != UINT64_MAX) found.push_back(*pointer);
  }
  return found;
}

}  // namespace hang::cpython
