// Instance attributes, in every form in which CPython 3.11 to 3.15 stores them.
#include <algorithm>
#include <fmt/format.h>

#include "cpython/object.h"
#include "cpython/reader.h"

namespace hang::cpython {

namespace {

Error no_attribute(RemoteAddr object, const std::string& name) {
  return Error{ErrorKind::absent_field, "no such attribute", object, name};
}

constexpr std::uint64_t kMaxBasicSize = 1 << 20;  // of an instance without its items, in bytes

// A word before the object ("pre-header"), at a negative offset that the layout knows as a constant.
Result<RemoteAddr> pre_header(Reader& reader, RemoteAddr object, const char* constant) {
  auto offset = reader.layout().constant(constant);
  if (!offset) return Error{ErrorKind::absent_field, "this CPython has no such word", object, constant};
  return reader.pointer_at(RemoteAddr(object.raw() + static_cast<std::uint64_t>(*offset)), constant);
}

// A negative tp_dictoffset counts from the end of a variable-sized object (_PyObject_ComputedDictPointer).
Result<RemoteAddr> dict_slot(Reader& reader, RemoteAddr object, RemoteAddr type, std::int64_t offset) {
  if (offset > 0) return object.field(static_cast<std::uint64_t>(offset));
  auto count = reader.signed_number("PyVarObject", "ob_size", object);
  auto basic = reader.signed_number("PyTypeObject", "tp_basicsize", type);
  auto item = reader.signed_number("PyTypeObject", "tp_itemsize", type);
  if (!count) return count.error();
  if (!basic) return basic.error();
  if (!item) return item.error();
  constexpr std::int64_t kSane = std::int64_t{1} << 40;
  const std::int64_t items = *count < 0 ? -*count : *count;
  if (items > kSane || *item < 0 || *item > 4096 || *basic < 0 || *basic > kSane)
    return Error{ErrorKind::inconsistent, "an object of impossible size", object};
  const std::int64_t size = (*basic + items * *item + 7) / 8 * 8 + offset;
  return RemoteAddr(object.raw() + static_cast<std::uint64_t>(size));
}

}  // namespace

// The values array of an instance that has no dict object yet; `absent_field` if it has none.
//   3.11: a pointer four words before the object; 3.12: three words before, tagged with bit 0 against a dict
//   (PyDictOrValues); 3.13: inside the object, if they are still `valid` (gh-115776).
Result<RemoteAddr> Objects::inline_values(RemoteAddr object, RemoteAddr type, std::uint64_t flags) {
  const auto none = [&] { return Error{ErrorKind::absent_field, "no inline values", object}; };
  auto& layout = reader_->layout();
  if (layout.constant("managed_values_pointer")) {
    auto values = pre_header(*reader_, object, "managed_values_pointer");
    return values && !*values ? Result<RemoteAddr>(none()) : values;
  }
  if (layout.constant("managed_dict_or_values_pointer")) {
    auto either = pre_header(*reader_, object, "managed_dict_or_values_pointer");
    if (!either) return either;
    // _PyDictOrValues_SetValues stores the pointer minus one.
    return (either->raw() & 1) != 0 ? Result<RemoteAddr>(RemoteAddr(either->raw() + 1)) : Result<RemoteAddr>(none());
  }
  // 3.13+: behind the object (_PyObject_InlineValues, Include/internal/pycore_object.h).
  if ((flags & static_cast<std::uint64_t>(reader_->constant("Py_TPFLAGS_INLINE_VALUES", 0))) == 0) return none();
  auto size = reader_->number("PyTypeObject", "tp_basicsize", type);
  if (!size) return size.error();
  if (*size == 0 || *size > kMaxBasicSize)
    return Error{ErrorKind::inconsistent, fmt::format("an object of {} bytes", *size), type,
                 "PyTypeObject.tp_basicsize"};
  const RemoteAddr values = object.field(*size);
  auto valid = reader_->number("PyDictValues", "valid", values);
  if (!valid) return valid.error();
  return *valid != 0 ? Result<RemoteAddr>(values) : Result<RemoteAddr>(none());
}

// The dict object of an instance; `absent_field` if there is none.
Result<RemoteAddr> Objects::instance_dict(RemoteAddr object, RemoteAddr type, std::uint64_t flags) {
  const auto none = [&] { return Error{ErrorKind::absent_field, "no __dict__", object}; };
  if ((flags & static_cast<std::uint64_t>(reader_->constant("Py_TPFLAGS_MANAGED_DICT", 0))) != 0) {
    const bool shared_word = reader_->layout().constant("managed_dict_or_values_pointer").has_value();
    auto dict = pre_header(*reader_, object, shared_word ? "managed_dict_or_values_pointer" : "managed_dict_pointer");
    if (!dict) return dict;
    if (!*dict || (shared_word && (dict->raw() & 1) != 0)) return none();
    return dict;
  }
  auto offset = reader_->signed_number("PyTypeObject", "tp_dictoffset", type);
  if (!offset) return offset.error();
  if (*offset == 0) return none();
  auto slot = dict_slot(*reader_, object, type, *offset);
  if (!slot) return slot;
  auto dict = reader_->pointer_at(*slot, "__dict__");
  return dict && !*dict ? Result<RemoteAddr>(none()) : dict;
}

// A __slots__ entry or another member of type object, found through the member descriptors of the type's MRO.
Result<RemoteAddr> Objects::member_slot(RemoteAddr object, RemoteAddr type, const std::string& name) {
  auto mro = reader_->pointer("PyTypeObject", "tp_mro", type);
  if (!mro) return mro;
  auto bases = items(*mro);
  if (!bases) return bases.error();
  for (const RemoteAddr base : *bases) {
    auto dict = reader_->pointer("PyTypeObject", "tp_dict", base);
    // Static builtin types keep their dict per interpreter in 3.12+ and NULL here; they have no __slots__.
    if (!dict || !*dict) continue;
    auto descriptor = dict_get(*dict, name);
    if (!descriptor) continue;
    auto kind = type_name(*descriptor);
    if (!kind) return kind.error();
    if (*kind != "member_descriptor") return no_attribute(object, name);
    auto member = reader_->pointer("PyMemberDescrObject", "d_member", *descriptor);
    if (!member) return member;
    auto what = reader_->signed_number("PyMemberDef", "type", *member);
    auto offset = reader_->signed_number("PyMemberDef", "offset", *member);
    if (!what) return what.error();
    if (!offset) return offset.error();
    const bool is_object = *what == reader_->constant("T_OBJECT_EX") || *what == reader_->constant("T_OBJECT");
    if (!is_object || *offset < 0) return no_attribute(object, name);
    auto value = reader_->pointer_at(object.field(static_cast<std::uint64_t>(*offset)), name);
    return value && !*value ? Result<RemoteAddr>(no_attribute(object, name)) : value;
  }
  return no_attribute(object, name);
}

Result<RemoteAddr> Objects::attribute(RemoteAddr object, const std::string& name) {
  auto type = type_of(object);
  if (!type) return type;
  auto flags = flags_of_type(*type);
  if (!flags) return flags.error();

  // A dict object, once made, has the truth, also where it shares the values inside the object.
  auto dict = instance_dict(object, *type, *flags);
  Result<RemoteAddr> value = no_attribute(object, name);
  if (dict) {
    value = dict_get(*dict, name);
  } else if (dict.error().kind != ErrorKind::absent_field) {
    return dict;
  } else if ((*flags & static_cast<std::uint64_t>(reader_->constant("Py_TPFLAGS_MANAGED_DICT", 0))) != 0) {
    auto values = inline_values(object, *type, *flags);
    auto keys = reader_->pointer("PyHeapTypeObject", "ht_cached_keys", *type);
    if (!values && values.error().kind != ErrorKind::absent_field) return values;
    if (values && keys && *keys) value = value_by_shared_key(*keys, *values, name);
  }
  if (value || value.error().kind != ErrorKind::absent_field) return value;
  return member_slot(object, *type, name);
}

Result<std::vector<RemoteAddr>> Objects::attributes(RemoteAddr object) {
  auto type = type_of(object);
  if (!type) return type.error();
  auto flags = flags_of_type(*type);
  if (!flags) return flags.error();
  std::vector<RemoteAddr> found;
  std::vector<std::string> names;
  if (auto dict = instance_dict(object, *type, *flags)) {
    auto done = dict_each(*dict, [&](RemoteAddr, RemoteAddr value) {
      found.push_back(value);
      return true;
    });
    if (!done) return done.error();
  } else if ((*flags & static_cast<std::uint64_t>(reader_->constant("Py_TPFLAGS_MANAGED_DICT", 0))) != 0) {
    auto keys = reader_->pointer("PyHeapTypeObject", "ht_cached_keys", *type);
    if (keys && *keys) names = shared_key_names(*keys).value_or({});
  }
  if (auto slots = slot_names(*type)) names.insert(names.end(), slots->begin(), slots->end());
  for (const auto& name : names)
    if (auto value = attribute(object, name)) found.push_back(*value);
  return found;
}

// Names of the member descriptors of a type and its bases.
Result<std::vector<std::string>> Objects::slot_names(RemoteAddr type) {
  auto mro = reader_->pointer("PyTypeObject", "tp_mro", type);
  if (!mro) return mro.error();
  auto bases = items(*mro);
  if (!bases) return bases.error();
  std::vector<std::string> names;
  for (const RemoteAddr base : *bases) {
    auto dict = reader_->pointer("PyTypeObject", "tp_dict", base);
    if (!dict || !*dict) continue;
    auto done = dict_each(*dict, [&](RemoteAddr key, RemoteAddr value) {
      if (type_name(value).value_or("") == "member_descriptor")
        if (auto name = str(key)) names.push_back(std::move(*name));
      return true;
    });
    if (!done) return done.error();
  }
  return names;
}

Result<RemoteAddr> Objects::modules(RemoteAddr interpreter) {
  const char* member = reader_->has("PyInterpreterState", "imports.modules") ? "imports.modules" : "modules";
  auto modules = reader_->pointer("PyInterpreterState", member, interpreter);
  if (modules && !*modules)
    return Error{ErrorKind::absent_field, "the interpreter has no sys.modules", interpreter, member};
  return modules;
}

Result<RemoteAddr> Objects::module(RemoteAddr interpreter, const std::string& name) {
  auto modules = this->modules(interpreter);
  if (!modules) return modules;
  // Every interpreter has it, and its name's hash confirms how names are hashed, before one is asked for that may not
  // be there: without a hash all keys would have to be looked at.
  constexpr const char* kAlwaysThere = "sys";
  if (!reader_->hashes.contains(kAlwaysThere))
    if (auto found = dict_get(*modules, kAlwaysThere); !found && found.error().kind != ErrorKind::absent_field)
      return found;
  auto found = dict_get(*modules, name);
  if (found && is_none(*found)) return Error{ErrorKind::absent_field, "sys.modules has None for it", interpreter, name};
  return found;
}

}  // namespace hang::cpython
