#include "loops/named_code.h"

#include "cpython/coroutine.h"
#include "cpython/readers.h"
#include "loops/reference_search.h"

namespace hang::loops {

void NamedCode::add_frame(RemoteAddr frame) {
  auto code = known(cpython::code_of_frame(python_.reader(), frame));  // a frame of C's has none
  auto globals = known(python_.reader().pointer("_PyInterpreterFrame", "f_globals", frame));
  if (code && globals) add_code(*code, *globals);
}

void NamedCode::add(const Callables& met) {
  for (const RemoteAddr frame : met.frames) add_frame(frame);
  for (const RemoteAddr function : met.functions) add_callable(function);
  for (const RemoteAddr type : met.types) add_type(type);
}

void NamedCode::add_code(RemoteAddr code, RemoteAddr globals) {
  if (!code || !codes_.insert(code.raw()).second) return;
  if (codes_.size() > kMostCodes) {
    complete_ = false;
    return;
  }
  const auto read = known(cpython::read_code(python_.reader(), code));
  if (!read || is_library((*read)->file)) return;
  for (const RemoteAddr name : items_of(code, "co_names")) {
    const auto text = known(objects_.str(name));
    if (!text) continue;
    names_.insert(*text);
    if (!globals) continue;
    if (const auto value = known(objects_.dict_get(globals, *text))) add_callable(*value);
  }
  // Functions inside, which are made when it runs: lambdas, comprehensions up to 3.11.
  for (const RemoteAddr constant : items_of(code, "co_consts"))
    if (known(objects_.type_name(constant)) == "code") add_code(constant, globals);
}

// A tuple of a code object.
std::vector<RemoteAddr> NamedCode::items_of(RemoteAddr code, const char* member) {
  const auto tuple = known(python_.reader().pointer("PyCodeObject", member, code));
  return tuple ? known(objects_.items(*tuple)).value_or(std::vector<RemoteAddr>{}) : std::vector<RemoteAddr>{};
}

// A function, what wraps one, a class, or a module.
void NamedCode::add_callable(RemoteAddr object) {
  constexpr std::uint64_t kWrapped = 16;  // functools.partial, staticmethod, classmethod, property: the first member
  auto& reader = python_.reader();
  if (!object || !called_.insert(object.raw()).second) return;
  const auto type = known(objects_.type_name(object));
  if (type == "function") {
    const auto code = known(reader.pointer("PyFunctionObject", "func_code", object));
    const auto globals = known(reader.pointer("PyFunctionObject", "func_globals", object));
    if (!code || !globals) return;
    if (const auto read = known(cpython::read_code(reader, *code))) {
      const auto& name = (*read)->function;
      names_.insert(name.substr(name.rfind('.') + 1));  // whoever has queue.put_nowait need not name it
    }
    add_code(*code, *globals);
  } else if (type == "method") {
    if (const auto function = known(reader.pointer("PyMethodObject", "im_func", object))) add_callable(*function);
  } else if (type == "functools.partial" || type == "staticmethod" || type == "classmethod" || type == "property") {
    if (const auto inner = known(reader.pointer_at(object.field(kWrapped)))) add_callable(*inner);
  } else if (type == "module") {
    if (const auto dict = known(reader.pointer("PyModuleObject", "md_dict", object))) add_holder(*dict);
  } else if (objects_.is_type(object)) {
    add_type(object);
  }
}

void NamedCode::add_type(RemoteAddr type) {
  if (!type || !types_.insert(type.raw()).second) return;
  const auto mro = known(python_.reader().pointer("PyTypeObject", "tp_mro", type));
  if (!mro || !*mro) return;  // C's own types keep theirs elsewhere from 3.12 on, and have no Python code
  for (const RemoteAddr base : known(objects_.items(*mro)).value_or(std::vector<RemoteAddr>{}))
    if (const auto dict = known(python_.reader().pointer("PyTypeObject", "tp_dict", base)); dict && *dict)
      add_holder(*dict);
}

bool NamedCode::is_callable(RemoteAddr object) {
  const auto type = known(objects_.type_name(object)).value_or("");
  return type == "function" || type == "method" || type == "staticmethod" || type == "classmethod" ||
         type == "property" || type == "functools.partial" || objects_.is_type(object);
}

void NamedCode::add_holder(RemoteAddr dict) {
  if (!dict || !dicts_.insert(dict.raw()).second) return;
  if (holders_.size() >= kMostHolders) {
    complete_ = false;
    return;
  }
  Holder holder;
  auto done = objects_.dict_each(dict, [&](RemoteAddr key, RemoteAddr value) {
    if (is_callable(value))
      if (const auto name = known(objects_.str(key))) holder.emplace_back(*name, value);
    return holder.size() < kMostEntries;
  });
  if (!done || holder.size() >= kMostEntries) complete_ = false;
  holders_.push_back(std::move(holder));
}

bool NamedCode::follow() {
  for (std::size_t before = 0, called = called_.size() + 1;
       complete_ && (before != names_.size() || called != called_.size());) {
    before = names_.size();
    called = called_.size();
    for (std::size_t i = 0; i < holders_.size(); ++i) {  // grows on the way
      const Holder entries = holders_[i];                // a copy: what is found adds holders
      // What Python calls by itself (__getattr__, __aexit__, __next__) no code names.
      for (const auto& [name, value] : entries)
        if (name.starts_with("__") || names_.contains(name)) add_callable(value);
    }
  }
  return complete_;
}

}  // namespace hang::loops
