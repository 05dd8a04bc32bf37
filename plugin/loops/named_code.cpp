#include "loops/named_code.h"

#include "cpython/coroutine.h"
#include "cpython/readers.h"
#include "loops/reference_search.h"

namespace hang::loops {

void NamedCode::add_frame(RemoteAddr frame) {
  auto code = cpython::code_of_frame(python_.reader(), frame);
  auto globals = python_.reader().pointer("_PyInterpreterFrame", "f_globals", frame);
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
  auto read = cpython::read_code(python_.reader(), code);
  if (!read || is_library((*read)->file)) return;
  auto& reader = python_.reader();
  auto names_at = reader.pointer("PyCodeObject", "co_names", code);
  auto names = names_at ? objects_.items(*names_at) : Result<std::vector<RemoteAddr>>(names_at.error());
  if (!names) {
    complete_ = false;
    return;
  }
  for (const RemoteAddr name : *names) {
    auto text = objects_.str(name);
    if (!text) continue;
    names_.insert(*text);
    if (auto value = globals ? objects_.dict_get(globals, *text) : Result<RemoteAddr>(RemoteAddr()); value && *value)
      add_callable(*value);
  }
  // Functions inside, which are made when it runs: lambdas, comprehensions up to 3.11.
  auto constants_at = reader.pointer("PyCodeObject", "co_consts", code);
  auto constants = constants_at ? objects_.items(*constants_at) : Result<std::vector<RemoteAddr>>(constants_at.error());
  if (!constants) return;
  for (const RemoteAddr constant : *constants)
    if (objects_.type_name(constant).value_or("") == "code") add_code(constant, globals);
}

// A function, what wraps one, a class, or a module.
void NamedCode::add_callable(RemoteAddr object) {
  constexpr std::uint64_t kWrapped = 16;  // functools.partial, staticmethod, classmethod, property: the first member
  auto& reader = python_.reader();
  if (!object || !called_.insert(object.raw()).second) return;
  const auto type = objects_.type_name(object).value_or("");
  if (type == "function") {
    auto code = reader.pointer("PyFunctionObject", "func_code", object);
    auto globals = reader.pointer("PyFunctionObject", "func_globals", object);
    if (!code || !globals) return;
    if (auto read = cpython::read_code(reader, *code)) {
      const auto& name = (*read)->function;
      names_.insert(name.substr(name.rfind('.') + 1));  // whoever has queue.put_nowait need not name it
    }
    add_code(*code, *globals);
  } else if (type == "method") {
    if (auto function = reader.pointer("PyMethodObject", "im_func", object)) add_callable(*function);
  } else if (type == "functools.partial" || type == "staticmethod" || type == "classmethod" || type == "property") {
    if (auto inner = reader.pointer_at(object.field(kWrapped))) add_callable(*inner);
  } else if (type == "module") {
    if (auto dict = reader.pointer("PyModuleObject", "md_dict", object)) add_holder(*dict);
  } else if (objects_.is_type(object)) {
    add_type(object);
  }
}

void NamedCode::add_type(RemoteAddr type) {
  if (!type || !types_.insert(type.raw()).second) return;
  auto mro = python_.reader().pointer("PyTypeObject", "tp_mro", type);
  auto bases = mro && *mro ? objects_.items(*mro) : Result<std::vector<RemoteAddr>>(std::vector<RemoteAddr>{});
  if (!bases) return;
  for (const RemoteAddr base : *bases)
    if (auto dict = python_.reader().pointer("PyTypeObject", "tp_dict", base); dict && *dict) add_holder(*dict);
}

void NamedCode::add_holder(RemoteAddr dict) {
  if (!dict || !dicts_.insert(dict.raw()).second) return;
  if (holders_.size() >= kMostHolders) {
    complete_ = false;
    return;
  }
  Holder holder;
  auto done = objects_.dict_each(dict, [&](RemoteAddr key, RemoteAddr value) {
    const auto type = objects_.type_name(value).value_or("");
    const bool callable = type == "function" || type == "method" || type == "staticmethod" || type == "classmethod" ||
                          type == "property" || type == "functools.partial" || objects_.is_type(value);
    if (callable)
      if (auto name = objects_.str(key)) holder.emplace_back(*name, value);
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
