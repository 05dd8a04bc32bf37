#include "cpython/code_values.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string_view>

#include "cpython/readers.h"

namespace hang::cpython {

namespace {

template <std::size_t n>
bool is_one_of(std::string_view name, const std::array<std::string_view, n>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 9> kLogs{"debug",     "info",     "warning", "warn", "error",
                                                "exception", "critical", "fatal",   "log"};

// Functions that end the program or the thread, or send it another signal.
constexpr std::array<std::string_view, 11> kEnds{
    "sys.exit",     "posix._exit", "posix.abort",          "posix.kill",   "posix.killpg",          "posix.execv",
    "posix.execve", "thread.exit", "_signal.raise_signal", "_thread.exit", "_thread.interrupt_main"};

// Functions that return, whatever the program is.
constexpr std::array<std::string_view, 25> kReturns{"print",
                                                    "repr",
                                                    "len",
                                                    "isinstance",
                                                    "issubclass",
                                                    "hasattr",
                                                    "id",
                                                    "format",
                                                    "abs",
                                                    "min",
                                                    "max",
                                                    "round",
                                                    "time.time",
                                                    "time.monotonic",
                                                    "time.perf_counter",
                                                    "time.ctime",
                                                    "time.strftime",
                                                    "time.sleep",
                                                    "traceback.print_exc",
                                                    "traceback.format_exc",
                                                    "posix.getpid",
                                                    "gc.collect",
                                                    "sys.exception",
                                                    "traceback.print_exception",
                                                    "sys.exc_info"};

// Methods of plain data.
bool is_plain(std::string_view type) {
  static constexpr std::array<std::string_view, 10> kPlain{
      "list", "dict", "set", "str", "bytes", "bytearray", "int", "float", "collections.deque", "_io.StringIO"};
  return is_one_of(type, kPlain);
}

}  // namespace

CodeValues::CodeValues(Reader& reader, RemoteAddr interpreter)
    : reader_(reader), objects_(reader), opcodes_(reader.layout()) {
  builtins_ = reader.pointer("PyInterpreterState", "builtins", interpreter).value_or(RemoteAddr());
  if (!builtins_) return;
  const auto type = objects_.dict_get(builtins_, "KeyboardInterrupt");
  if (!type) return;
  const auto mro = reader.pointer("PyTypeObject", "tp_mro", *type);
  if (mro) interrupt_mro_ = objects_.items(*mro).value_or({});
}

std::optional<bool> CodeValues::class_takes_interrupt(RemoteAddr type) {
  if (!type || interrupt_mro_.empty()) return std::nullopt;
  return std::find(interrupt_mro_.begin(), interrupt_mro_.end(), type) != interrupt_mro_.end();
}

std::optional<bool> CodeValues::takes_interrupt(const Value& type) {
  auto classes = type.items;
  if (type.object && !objects_.is_type(type.object)) classes = objects_.items(type.object).value_or({});
  if (classes.empty()) return class_takes_interrupt(type.object);
  bool all_known = true;
  for (const RemoteAddr one : classes) {
    const auto takes = class_takes_interrupt(one);
    if (takes == true) return true;
    all_known = all_known && takes;
  }
  return all_known ? std::optional<bool>(false) : std::nullopt;
}

// Every way out of the function returns a constant that is true, and none raises.
bool CodeValues::always_returns_true(RemoteAddr function) {
  const auto at = reader_.pointer("PyFunctionObject", "func_code", function);
  const auto code = at ? read_code(reader_, *at) : Result<Code*>(at.error());
  const auto instructions =
      code ? read_instructions(reader_, opcodes_, **code) : Result<std::vector<Instruction>>(code.error());
  const auto tuple = at ? reader_.pointer("PyCodeObject", "co_consts", *at) : at;
  const auto constants = tuple ? objects_.items(*tuple) : Result<std::vector<RemoteAddr>>(tuple.error());
  if (!instructions || !constants) return false;
  bool returns = false;
  for (std::size_t i = 0; i < instructions->size(); ++i) {
    const auto& one = (*instructions)[i];
    // `return a or True` joins two ways before it returns.
    if (one.op == Op::raise_varargs || one.op == Op::copy || one.op == Op::jump_if_true_or_pop ||
        one.op == Op::jump_if_false_or_pop)
      if (i + 1 >= instructions->size() || (*instructions)[i + 1].op != Op::pop_except) return false;
    const bool direct = one.op == Op::return_const;
    if (!direct && one.op != Op::return_value) continue;
    if (!direct && i == 0) return false;
    const auto& value = direct ? one : (*instructions)[i - 1];
    std::optional<bool> truth;
    if ((direct || value.op == Op::load_const) && value.argument < constants->size())
      truth = this->truth(constant((*constants)[value.argument]), false);
    if (value.op == Op::load_small_int) truth = value.argument != 0;
    if (value.op == Op::load_common_constant) truth = common_constant(value.argument).truth;
    if (truth != true) return false;
    returns = true;
  }
  return returns;
}

bool CodeValues::manager_takes_interrupt(RemoteAddr manager) {
  if (!manager) return false;
  if (objects_.qualified_type_name(manager).value_or("") == "contextlib.suppress") {
    const auto classes = objects_.attribute(manager, "_exceptions");
    return classes && takes_interrupt(constant(*classes)) == true;
  }
  const RemoteAddr exit = class_attribute(manager, "__exit__");
  return exit && objects_.type_name(exit).value_or("") == "function" && always_returns_true(exit);
}

// What the class of an object has by that name; NULL if nothing.
RemoteAddr CodeValues::class_attribute(RemoteAddr object, const std::string& name) {
  const auto type = objects_.type_of(object);
  const auto mro = type ? reader_.pointer("PyTypeObject", "tp_mro", *type) : type;
  const auto bases = mro ? objects_.items(*mro) : Result<std::vector<RemoteAddr>>(mro.error());
  if (!bases) return {};
  for (const RemoteAddr base : *bases) {
    const auto dict = reader_.pointer("PyTypeObject", "tp_dict", base);
    if (!dict || !*dict) continue;
    if (const auto found = objects_.dict_get(*dict, name)) return *found;
  }
  return {};
}

RemoteAddr CodeValues::function_of(const Value& callee) {
  const RemoteAddr object = callee.self ? class_attribute(callee.self, callee.name) : callee.object;
  return object && objects_.type_name(object).value_or("") == "function" ? object : RemoteAddr();
}

std::string CodeValues::describe_except(const Value& type) {
  auto classes = type.items;
  if (type.object && !objects_.is_type(type.object)) classes = objects_.items(type.object).value_or({});
  if (classes.empty()) classes.push_back(type.object);
  for (const RemoteAddr one : classes) {
    if (class_takes_interrupt(one) != true) continue;
    const auto name = reader_.pointer("PyTypeObject", "tp_name", one);
    return "except " + (name ? reader_.c_string(*name, 256).value_or("?") : "?");
  }
  return "an except";
}

Value CodeValues::common_constant(std::uint32_t argument) {
  Value value;
  const auto is = [&](const char* name) { return reader_.layout().constant(name) == std::int64_t{argument}; };
  if (is("CONSTANT_NONE") || is("CONSTANT_FALSE")) value.truth = false;
  if (is("CONSTANT_TRUE")) value.truth = true;
  if (value.truth) value.none = is("CONSTANT_NONE");
  return value;
}

Value CodeValues::local(RemoteAddr frame, std::uint32_t index) {
  const auto slots = reader_.address("_PyInterpreterFrame", "localsplus", frame);
  if (!slots) return {};
  const auto raw = reader_.word(slots->field(8 * std::uint64_t{index}), 8, "_PyInterpreterFrame.localsplus");
  return raw ? constant(reader_.untagged(*raw)) : Value();
}

Value CodeValues::free_variable(const Value& cell, const Written& written) {
  if (!cell.object || objects_.type_name(cell.object).value_or("") != "cell") return {};
  if (const auto set = written.find(place(cell.object, "")); set != written.end()) return set->second;
  Value value = constant(reader_.pointer("PyCellObject", "ob_ref", cell.object).value_or(RemoteAddr()));
  value.changeable = true;
  return value;
}

std::string CodeValues::place(RemoteAddr owner, const std::string& name) {
  return fmt::format("{:x}.{}", owner.raw(), name);
}

Value CodeValues::global(RemoteAddr globals, const std::string& name, const Written& written) {
  if (const auto set = written.find(place(globals, name)); set != written.end()) return set->second;
  for (const RemoteAddr dict : {globals, builtins_}) {
    if (!dict) continue;
    if (const auto found = objects_.dict_get(dict, name)) {
      Value value = constant(*found);
      value.changeable = dict == globals;
      return value;
    }
  }
  return {};
}

Value CodeValues::attribute(const Value& of, const std::string& name, const Written& written) {
  if (!of.object) return {};
  if (const auto set = written.find(place(of.object, name)); set != written.end()) return set->second;
  Value value;
  value.changeable = true;
  if (objects_.type_name(of.object).value_or("") == "module") {
    const auto dict = reader_.pointer("PyModuleObject", "md_dict", of.object);
    if (dict && *dict) value.object = objects_.dict_get(*dict, name).value_or(RemoteAddr());
  } else if (objects_.is_type(of.object)) {
    const auto dict = reader_.pointer("PyTypeObject", "tp_dict", of.object);
    if (dict && *dict) value.object = objects_.dict_get(*dict, name).value_or(RemoteAddr());
  } else {
    value.object = objects_.attribute(of.object, name).value_or(RemoteAddr());
    if (!value.object) {
      value.self = of.object;
      value.name = name;
    }
  }
  return value;
}

std::optional<bool> CodeValues::truth(const Value& value, bool stale) {
  if (value.truth) return value.truth;
  if (!value.object || (stale && value.changeable)) return std::nullopt;
  if (objects_.is_none(value.object)) return false;
  const auto type = objects_.type_name(value.object).value_or("");
  if (type != "bool" && type != "int") return std::nullopt;
  const auto number = objects_.integer(value.object);
  return number ? std::optional<bool>(*number != 0) : std::nullopt;
}

std::optional<bool> CodeValues::is_none(const Value& value, bool stale) {
  if (value.none) return value.none;
  if (!value.object || (stale && value.changeable)) return std::nullopt;
  return objects_.is_none(value.object);
}

// The flag of a threading.Event, which is how many a loop is told to end.
std::optional<CodeValues::Call> CodeValues::call_event(const Value& callee, Written& written) {
  if (objects_.qualified_type_name(callee.self).value_or("") != "threading.Event") return std::nullopt;
  Call call{Effect::returns, {}, false};
  if (callee.name == "is_set") {
    call.value = attribute(constant(callee.self), "_flag", written);
    return call;
  }
  if (callee.name != "set" && callee.name != "clear") return std::nullopt;
  Value flag;
  flag.truth = callee.name == "set";
  flag.none = false;
  written[place(callee.self, "_flag")] = flag;
  call.writes = true;
  return call;
}

Effect CodeValues::effect_of_method(const Value& callee, bool& writes) {
  const auto type = objects_.qualified_type_name(callee.self).value_or("");
  if (type == "logging.Logger" || type == "logging.RootLogger")
    return is_one_of(callee.name, kLogs) ? Effect::returns : Effect::unknown;
  if (type == "_sitebuiltins.Quitter") return Effect::ends;
  if (type == "_io.TextIOWrapper")
    return callee.name == "write" || callee.name == "flush" ? Effect::returns : Effect::unknown;
  writes = true;
  return is_plain(type) ? Effect::returns : Effect::unknown;
}

CodeValues::Call CodeValues::call(const Value& callee, Written& written) {
  Call call;
  if (callee.self) {
    if (auto event = call_event(callee, written)) return *event;
    call.effect = effect_of_method(callee, call.writes);
    return call;
  }
  if (!callee.object) return call;
  if (objects_.is_type(callee.object)) {  // a class of C, as str(), type() or an exception
    const auto flags = reader_.number("PyTypeObject", "tp_flags", callee.object);
    const auto heap = static_cast<std::uint64_t>(reader_.constant("Py_TPFLAGS_HEAPTYPE", 0));
    if (flags && (*flags & heap) == 0) call.effect = Effect::returns;
    return call;
  }
  if (objects_.qualified_type_name(callee.object).value_or("") == "_sitebuiltins.Quitter") {
    call.effect = Effect::ends;
    return call;
  }
  const auto callable = read_callable(reader_, callee.object);
  if (!callable) return call;
  const bool logs = callable->name.starts_with("logging.") && is_one_of(callable->name.substr(8), kLogs);
  if (logs || is_one_of(callable->name, kReturns)) call.effect = Effect::returns;
  if (is_one_of(callable->name, kEnds)) call.effect = Effect::ends;
  return call;
}

}  // namespace hang::cpython
