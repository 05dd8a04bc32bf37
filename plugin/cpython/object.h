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

// Limits of one read; target data is hostile.
inline constexpr std::size_t kMaxString = 4096;     // code points kept of a str
inline constexpr std::size_t kMaxItems = 100'000;   // entries looked at in one container

// Reads objects of one target. Cheap to copy; keeps a reference to the Python it was made from.
class Objects {
 public:
  explicit Objects(Python& python) : python_(&python) {}

  // tp_name of ob_type: "dict", "collections.deque", "Runner" (heap types: __name__ only, as tp_name has it).
  Result<std::string> type_name(RemoteAddr object);
  // "module.qualname" for heap types, tp_name for static ones.
  Result<std::string> qualified_type_name(RemoteAddr object);
  Result<RemoteAddr> type_of(RemoteAddr object);

  Result<std::string> str(RemoteAddr object);              // any str kind, as UTF-8; `inconsistent` if not a str
  Result<std::int64_t> integer(RemoteAddr object);         // int or bool that fits 63 bits
  Result<double> floating(RemoteAddr object);
  Result<std::vector<RemoteAddr>> items(RemoteAddr object);  // list, tuple, collections.deque, set/frozenset
  Result<std::int64_t> length(RemoteAddr object);          // of the same and of dict
  // Calls `each(key, value)` for the live entries of a dict (combined, split, unicode-only tables) until it returns false.
  Result<void> dict_each(RemoteAddr dict, const std::function<bool(RemoteAddr key, RemoteAddr value)>& each);
  Result<RemoteAddr> dict_get(RemoteAddr dict, const std::string& key);  // `absent_field` if not there

  // An instance attribute: inline values, managed dict, __dict__ slot, then __slots__ member descriptors found on the
  // type's MRO. Never runs a property. `absent_field` if there is no such attribute; a NULL slot is `absent_field` too.
  Result<RemoteAddr> attribute(RemoteAddr object, const std::string& name);
  // obj.a.b.c
  Result<RemoteAddr> path(RemoteAddr object, const std::string& dotted);

  // The module object `name` of the interpreter at `interpreter` (sys.modules), or `absent_field`.
  Result<RemoteAddr> module(RemoteAddr interpreter, const std::string& name);

  [[nodiscard]] bool is_none(RemoteAddr object);

 private:
  Python* python_;
};

// What a callable is, for reports.
struct Callable {
  std::string type;       // "function", "builtin_function_or_method", "method", "functools.partial", ...
  std::string name;       // "asyncio.runners.Runner._on_sigint", "_signal.default_int_handler"
  std::string file;       // of the innermost Python function, "" if none
  int line = 0;
  RemoteAddr function;    // innermost function object
  RemoteAddr self;        // of a bound method, else NULL
};

}  // namespace hang::cpython
