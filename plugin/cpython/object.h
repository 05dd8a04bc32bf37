// Objects: bounded, typed views of Python objects in the target. Nothing here runs code in it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace hang::cpython {

class Python;
class Reader;

// Limits of one read; target data is hostile.
inline constexpr std::size_t kMaxString = 4096;      // code points kept of a str
inline constexpr std::size_t kMaxItems = 1'000'000;  // entries looked at in one container

// Reads objects of one target. Cheap to copy; keeps a reference to the Python it was made from. What a sample has read
// is remembered until the next Python::read or Python::refresh.
class Objects {
 public:
  explicit Objects(Python& python);
  explicit Objects(Reader& reader) : reader_(&reader) {}

  // tp_name of ob_type: "dict", "collections.deque", "Runner" (heap types: __name__ only, as tp_name has it).
  Result<std::string> type_name(RemoteAddr object);
  // "module.qualname" for heap types, tp_name for static ones.
  Result<std::string> qualified_type_name(RemoteAddr object);
  Result<RemoteAddr> type_of(RemoteAddr object);

  Result<std::string> str(RemoteAddr object);       // any str kind, as UTF-8; `inconsistent` if not a str
  Result<std::int64_t> integer(RemoteAddr object);  // int or bool that fits 63 bits
  Result<bool> equals(RemoteAddr object, const std::string& text);  // a str with exactly this UTF-8 text
  Result<double> floating(RemoteAddr object);
  Result<std::vector<RemoteAddr>> items(RemoteAddr object);  // list, tuple, deque, set/frozenset, SimpleQueue
  Result<std::int64_t> length(RemoteAddr object);            // of the same and of dict
  // Calls `each(key, value)` for the live entries of a dict (combined, split, unicode-only tables) until it returns
  // false.
  Result<void> dict_each(RemoteAddr dict, const std::function<bool(RemoteAddr key, RemoteAddr value)>& each);
  Result<RemoteAddr> dict_get(RemoteAddr dict, const std::string& key);  // `absent_field` if not there

  // An instance attribute: inline values, managed dict, __dict__ slot, then __slots__ member descriptors found on the
  // type's MRO. Never runs a property. `absent_field` if there is no such attribute; a NULL slot is `absent_field` too.
  Result<RemoteAddr> attribute(RemoteAddr object, const std::string& name);
  // The values of all such attributes, in no promised order; what cannot be read is left out.
  Result<std::vector<RemoteAddr>> attributes(RemoteAddr object);
  // obj.a.b.c
  Result<RemoteAddr> path(RemoteAddr object, const std::string& dotted);

  // Reads ahead what dict_get() and dict_each() of all these need: three calls, not three for each.
  void prefetch_dicts(const std::vector<RemoteAddr>& dicts);

  // sys.modules of the interpreter at `interpreter`; `absent_field` before it is made.
  Result<RemoteAddr> modules(RemoteAddr interpreter);
  // The module object `name` of the interpreter at `interpreter` (sys.modules), or `absent_field`.
  Result<RemoteAddr> module(RemoteAddr interpreter, const std::string& name);

  [[nodiscard]] bool is_none(RemoteAddr object);
  [[nodiscard]] bool is_type(RemoteAddr object);  // a class, whatever its metaclass
  // The fd inside a socket.socket (or a subclass) or a select.epoll; -1 after close().
  Result<int> file_descriptor(RemoteAddr object);

 private:
  Result<std::uint64_t> flags_of_type(RemoteAddr type);
  Result<void> require(RemoteAddr object, const char* subclass_flag, const char* what);
  Result<std::vector<RemoteAddr>> pointers(RemoteAddr at, std::int64_t count, const char* what);
  Result<std::vector<RemoteAddr>> deque_items(RemoteAddr object, std::int64_t count);
  Result<std::vector<RemoteAddr>> set_items(RemoteAddr object);
  Result<std::int64_t> queue_length(RemoteAddr object);
  Result<std::vector<RemoteAddr>> queue_items(RemoteAddr object, std::int64_t count);
  Result<RemoteAddr> instance_dict(RemoteAddr object, RemoteAddr type, std::uint64_t flags);
  Result<RemoteAddr> inline_values(RemoteAddr object, RemoteAddr type, std::uint64_t flags);
  Result<RemoteAddr> value_by_shared_key(RemoteAddr keys, RemoteAddr values, const std::string& name);
  Result<std::vector<std::string>> shared_key_names(RemoteAddr keys);
  Result<std::vector<std::string>> slot_names(RemoteAddr type);
  Result<RemoteAddr> member_slot(RemoteAddr object, RemoteAddr type, const std::string& name);

  Reader* reader_;
};

// What a callable is, for reports.
struct Callable {
  std::string type;  // "function", "builtin_function_or_method", "method", "functools.partial", ...
  std::string name;  // "asyncio.runners.Runner._on_sigint", "_signal.default_int_handler"
  std::string file;  // of the innermost Python function, "" if none
  int line = 0;
  RemoteAddr function;  // innermost function object
  RemoteAddr self;      // of a bound method, else NULL
};

}  // namespace hang::cpython
