#include "loops/reference_search.h"

#include "cpython/coroutine.h"
#include "cpython/readers.h"
#include "loops/frameworks.h"

namespace hang::loops {

void ReferenceSearch::begin_at(const std::vector<facts::FrameFacts>& frames, int depth) {
  for (const auto& frame : frames) {
    const RemoteAddr address(frame.address);
    if (goal_.all && depth > 0) met_.frames.push_back(address);
    if (auto locals = python_.locals(address))
      for (const auto& local : *locals) push(local.value, depth);
    push_globals(address, depth);
  }
}

bool ReferenceSearch::run() {
  while (!queue_.empty() && !found_) {
    const auto [object, depth] = queue_.front();
    queue_.pop_front();
    expand(object, depth);
  }
  return found_ || !reached_.empty() || !senders_.empty() || !receivers_.empty();
}

// What leads to nothing of the program's. Classes with a metaclass are classes too.
bool ReferenceSearch::is_leaf(RemoteAddr object) {
  static const std::unordered_set<std::string> leaves{"str",
                                                      "int",
                                                      "float",
                                                      "bytes",
                                                      "bool",
                                                      "NoneType",
                                                      "type",
                                                      "module",
                                                      "code",
                                                      "ellipsis",
                                                      "complex",
                                                      "object",
                                                      "range",
                                                      "slice",
                                                      "_abc._abc_data",
                                                      "getset_descriptor",
                                                      "property",
                                                      "member_descriptor",
                                                      "method_descriptor",
                                                      "wrapper_descriptor"};
  auto type = objects_.type_name(object);
  if (!type || leaves.contains(*type)) return true;
  if (type->starts_with("typing.")) return true;
  return objects_.is_type(object);
}

void ReferenceSearch::push(RemoteAddr object, int depth) {
  if (!object || found_) return;
  if (goal_.objects.contains(object.raw())) {
    reached_.insert(object.raw());
    note_type(object);
    found_ = !goal_.all;
    return;
  }
  if (seen_.contains(object.raw()) || goal_.barriers.contains(object.raw())) return;
  if (seen_.size() >= kMaxObjects || depth > (goal_.all ? kMaxDepthOfAll : kMaxDepth)) {
    if (!is_leaf(object)) complete_ = false;
    return;
  }
  seen_.insert(object.raw());
  queue_.emplace_back(object, depth);
}

// The module variables that a frame's code names (co_names), not all of its module.
void ReferenceSearch::push_globals(RemoteAddr frame, int depth) {
  auto& reader = python_.reader();
  auto code = cpython::code_of_frame(reader, frame);
  auto globals = reader.pointer("_PyInterpreterFrame", "f_globals", frame);
  if (code && globals) push_names(*code, *globals, depth);
}

// The standard library and the frameworks reach objects of the program by what they are given, not by their globals.
bool is_library(const std::string& file) {
  if (file.starts_with("<frozen ")) return true;
  for (const char* part : {"/trio/", "/outcome/", "/anyio/", "/sniffio/"})
    if (file.find(part) != std::string::npos) return true;
  return file.find("/lib/python3") != std::string::npos && file.find("-packages/") == std::string::npos;
}

void ReferenceSearch::push_names(RemoteAddr code, RemoteAddr globals, int depth) {
  // threading's own code names the dict of all threads, and so what each of them was given.
  if (auto read = cpython::read_code(python_.reader(), code); read && is_library((*read)->file)) return;
  auto names_at = python_.reader().pointer("PyCodeObject", "co_names", code);
  if (!names_at) return;
  auto names = objects_.items(*names_at);
  if (!names) return;
  for (auto name : *names) {
    auto text = objects_.str(name);
    if (!text) continue;
    if (auto value = objects_.dict_get(globals, *text)) push(*value, depth);
  }
}

void ReferenceSearch::push_items(RemoteAddr object, int depth) {
  if (auto items = objects_.items(object))
    for (auto item : *items) push(item, depth);
}

void ReferenceSearch::push_dict(RemoteAddr dict, int depth) {
  (void)objects_
      .dict_each(dict,
                 [&](RemoteAddr, RemoteAddr value) {
                   push(value, depth);
                   return !found_;
                 })
      .ok();
}

void ReferenceSearch::note_type(RemoteAddr object) {
  if (!goal_.all) return;
  if (auto type = objects_.type_of(object); type && types_.insert(type->raw()).second) met_.types.push_back(*type);
}

void ReferenceSearch::expand_function(RemoteAddr function, int depth) {
  auto& reader = python_.reader();
  if (goal_.all) met_.functions.push_back(function);
  auto code = reader.pointer("PyFunctionObject", "func_code", function);
  auto globals = reader.pointer("PyFunctionObject", "func_globals", function);
  if (code && globals && *globals) push_names(*code, *globals, depth + 1);
  if (auto closure = reader.pointer("PyFunctionObject", "func_closure", function); closure && *closure)
    push_items(*closure, depth + 1);
}

// Attributes of an instance: its dictionary or inline values, by name where there is no other way.
void ReferenceSearch::expand_instance(RemoteAddr object, int depth) {
  note_type(object);
  if (auto fd = objects_.file_descriptor(object); fd && goal_.fds.contains(*fd)) {
    found_ = true;
    return;
  }
  if (auto each = objects_.attributes(object))
    for (auto value : *each) push(value, depth + 1);
}

namespace {

// The ends of memory channels of trio, and of anyio.
bool is_sender(const std::string& type) {
  return type == "MemorySendChannel" || type == "MemoryObjectSendStream";
}
bool is_receiver(const std::string& type) {
  return type == "MemoryReceiveChannel" || type == "MemoryObjectReceiveStream";
}

}  // namespace

void ReferenceSearch::expand_channel(const std::string& type, RemoteAddr object) {
  auto state = objects_.attribute(object, "_state");
  if (!state || !goal_.channels.contains(state->raw())) return;
  if (flag_of(python_, object, "_closed") == true) return;
  (is_sender(type) ? senders_ : receivers_).insert(state->raw());
}

// Functions, methods and what wraps them; false if it is none.
bool ReferenceSearch::expand_callable(const std::string& type, RemoteAddr object, int depth) {
  auto& reader = python_.reader();
  if (type == "function") {
    expand_function(object, depth);
  } else if (type == "cell") {
    if (auto value = reader.pointer("PyCellObject", "ob_ref", object)) push(*value, depth + 1);
  } else if (type == "method") {
    for (const char* member : {"im_func", "im_self"})
      if (auto value = reader.pointer("PyMethodObject", member, object)) push(*value, depth + 1);
  } else if (type == "builtin_function_or_method") {
    if (auto self = reader.pointer("PyCFunctionObject", "m_self", object)) push(*self, depth + 1);
  } else if (type == "functools.partial") {
    for (std::uint64_t offset : {16u, 24u})  // fn, args
      if (auto value = reader.pointer_at(object.field(offset))) push(*value, depth + 1);
  } else {
    return false;
  }
  return true;
}

void ReferenceSearch::expand(RemoteAddr object, int depth) {
  auto& reader = python_.reader();
  auto type = objects_.type_name(object);
  if (!type || is_leaf(object)) return;
  if (goal_.stop_at && goal_.stop_at(object, *type)) return;
  if (*type == "list" || *type == "tuple" || *type == "set" || *type == "frozenset" || *type == "collections.deque" ||
      *type == "SelectorKey")  // a named tuple of selectors.py
    return push_items(object, depth + 1);
  if (*type == "dict") return push_dict(object, depth + 1);
  if (expand_callable(*type, object, depth)) return;
  if (*type == "coroutine" || *type == "generator" || *type == "async_generator") {
    if (auto suspended = cpython::read_suspended(python_, object)) begin_at(suspended->frames, depth + 1);
    return;
  }
  if (*type == "_asyncio.Task" || *type == "_asyncio.Future") {
    // FutureObj_HEAD begins both (Modules/_asynciomodule.c): the loop comes first.
    if (auto value = reader.pointer("TaskObj", "task_loop", object)) push(*value, depth + 1);
    if (*type == "_asyncio.Task")
      if (auto value = reader.pointer("TaskObj", "task_coro", object)) push(*value, depth + 1);
    return;
  }
  if (type->starts_with("_io.Buffered")) {
    if (auto raw = reader.pointer("buffered", "raw", object)) push(*raw, depth + 1);
    return;
  }
  if (*type == "_io.TextIOWrapper") {
    if (auto buffer = reader.pointer("textio", "buffer", object)) push(*buffer, depth + 1);
    return;
  }
  if (!goal_.channels.empty() && (is_sender(*type) || is_receiver(*type))) return expand_channel(*type, object);
  expand_instance(object, depth);
}

}  // namespace hang::loops
