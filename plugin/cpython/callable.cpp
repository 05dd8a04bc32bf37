// What a callable is, for reports: functions, bound methods, builtins, functools.partial, instances with __call__.
#include <fmt/format.h>

#include "cpython/readers.h"

namespace hang::cpython {

namespace {

constexpr int kMaxDepth = 16;  // partial of a method of a partial of ...

std::string text_or_empty(Objects& objects, const Result<RemoteAddr>& object) {
  if (!object || !*object) return {};
  auto text = objects.str(*object);
  return text ? *text : std::string();
}

std::string dotted(const std::string& module, const std::string& name) {
  return module.empty() || module == "builtins" ? name : module + "." + name;
}

Result<void> describe_function(Reader& reader, RemoteAddr object, Callable& callable) {
  constexpr const char* kFunction = "PyFunctionObject";
  Objects objects(reader);
  auto code_object = reader.pointer(kFunction, "func_code", object);
  if (!code_object) return code_object.error();
  auto code = read_code(reader, *code_object);
  if (!code) return code.error();
  callable.function = object;
  callable.file = (*code)->file;
  callable.line = static_cast<int>((*code)->first_line);
  callable.name = dotted(text_or_empty(objects, reader.pointer(kFunction, "func_module", object)),
                         text_or_empty(objects, reader.pointer(kFunction, "func_qualname", object)));
  return {};
}

Result<void> describe_builtin(Reader& reader, RemoteAddr object, Callable& callable) {
  Objects objects(reader);
  auto definition = reader.pointer("PyCFunctionObject", "m_ml", object);
  if (!definition) return definition.error();
  auto name_at = reader.pointer("PyMethodDef", "ml_name", *definition);
  if (!name_at) return name_at.error();
  auto name = reader.c_string(*name_at, 256, "PyMethodDef.ml_name");
  if (!name) return name.error();
  // m_module is the name of the module, a str; m_self its module object or the bound object.
  callable.name = dotted(text_or_empty(objects, reader.pointer("PyCFunctionObject", "m_module", object)), *name);
  callable.function = object;
  return {};
}

Result<void> describe(Reader& reader, RemoteAddr object, Callable& callable, int depth);

Result<void> describe_inner(Reader& reader, const Result<RemoteAddr>& inner, Callable& callable, int depth) {
  if (!inner) return inner.error();
  return describe(reader, *inner, callable, depth + 1);
}

// An instance is called through type(object).__call__.
Result<void> describe_instance(Reader& reader, RemoteAddr object, Callable& callable, int depth) {
  Objects objects(reader);
  auto type = objects.type_of(object);
  if (!type) return type.error();
  auto name = objects.qualified_type_name(object);
  auto mro = reader.pointer("PyTypeObject", "tp_mro", *type);
  if (!mro) return mro.error();
  auto bases = objects.items(*mro);
  if (!bases) return bases.error();
  for (const RemoteAddr base : *bases) {
    auto dict = reader.pointer("PyTypeObject", "tp_dict", base);
    if (!dict || !*dict) continue;
    auto call = objects.dict_get(*dict, "__call__");
    if (!call) continue;
    callable.self = object;
    if (objects.type_name(*call).value_or("") == "function")
      static_cast<void>(describe(reader, *call, callable, depth + 1));
    break;
  }
  if (name) callable.name = *name;
  return {};
}

Result<void> describe(Reader& reader, RemoteAddr object, Callable& callable, int depth) {
  if (depth > kMaxDepth) return Error{ErrorKind::budget, "a callable wrapped too many times", object};
  auto type = Objects(reader).type_name(object);
  if (!type) return type.error();
  if (depth == 0) callable.type = *type;
  if (*type == "function") return describe_function(reader, object, callable);
  if (*type == "builtin_function_or_method") return describe_builtin(reader, object, callable);
  if (*type == "method") {
    auto self = reader.pointer("PyMethodObject", "im_self", object);
    if (!self) return self.error();
    callable.self = *self;
    return describe_inner(reader, reader.pointer("PyMethodObject", "im_func", object), callable, depth);
  }
  if (*type == "functools.partial")
    return describe_inner(reader, reader.pointer("partialobject", "fn", object), callable, depth);
  return describe_instance(reader, object, callable, depth);
}

}  // namespace

Result<Callable> read_callable(Reader& reader, RemoteAddr object) {
  Callable callable;
  if (auto done = describe(reader, object, callable, 0); !done) return done.error();
  return callable;
}

}  // namespace hang::cpython
