#include "cpython/exception_handlers.h"

#include <algorithm>
#include <deque>
#include <fmt/format.h>
#include <set>
#include <unordered_map>
#include <utility>

#include "cpython/code_values.h"

namespace hang::cpython {

namespace {

constexpr std::size_t kMaxSteps = 20'000;  // instructions followed, on all ways together
constexpr std::size_t kMaxArguments = 256;
constexpr std::size_t kMaxWays = 200;  // that wait to be followed

// A frame of the thread, and its code as far as it was needed.
struct FrameCode {
  RemoteAddr frame, code_object, globals;
  Code* code = nullptr;
  std::uint64_t unit = 0;  // where it is
  bool entry = false;
  const std::vector<ExceptionEntry>* table = nullptr;
  std::vector<Instruction> instructions;
  const Instruction* here = nullptr;  // at `unit`
  std::vector<std::string> names;     // co_names
  std::vector<RemoteAddr> constants;  // co_consts
};

// Functions that handlers call are followed, too, this deep. Their code is no frame's; its index is this one and up.
constexpr std::size_t kMaxCalls = 4;
constexpr std::size_t kFirstCallee = 1'000'000;

// Where a function that is followed returns to.
struct Return {
  std::size_t frame = 0;
  std::uint64_t unit = 0, next = 0;  // of the call, and of what comes after it
  int handling = 0;
  std::vector<Value> stack;
};

// One way through the code, from the handler on.
struct Way {
  std::size_t frame = 0;
  std::uint64_t unit = 0;
  std::vector<Value> stack;  // the top of it, as far as known
  Written written;
  int handling = 0;         // handlers that it is inside of
  std::uint64_t depth = 0;  // values under the block whose handler was entered last
  bool left_trace = false;  // the handler has set something that code called later may look at
  bool shared = false;      // ... also code that has none of this frame's variables
  bool named = false;       // the next call has arguments by name (KW_NAMES)
  bool doubt = false;       // the handler has called what may do anything
  std::optional<facts::CaughtInterrupt> caught;
  std::vector<Return> returns;  // of the functions that it is inside of
};

class Follower {
 public:
  Follower(Reader& reader, const facts::ThreadStateFacts& state, RemoteAddr interpreter)
      : reader_(reader), objects_(reader), state_(state), interpreter_(interpreter) {}

  std::optional<facts::CaughtInterrupt> run();

 private:
  bool find(std::size_t frame);   // code and exception table; false: unreadable
  bool parse(std::size_t frame);  // the rest
  CodeValues& values();
  void raise(Way way, std::uint64_t unit);
  void begin_at(Way way, const ExceptionEntry& entry);
  void leave(Way way, const Value& value);
  bool enter(Way& way, const Instruction& call, const Value& callee, std::vector<Value> arguments);
  std::optional<std::size_t> callee_of(RemoteAddr function, std::size_t arguments);
  std::optional<FrameCode> read_callee(RemoteAddr function, RemoteAddr object);
  void take(Way& way, std::string by, std::uint64_t unit);
  void follow(Way way);
  void back(const Way& way);
  bool is_new(const Way& way);
  bool jump(Way& way, std::uint64_t target);
  bool branch(Way& way, std::optional<bool> taken, std::uint64_t target);
  // Each executes one kind of instruction. `Done::no`: it is none of that kind; `Done::ended`: the way ends there.
  enum class Done { no, yes, ended };
  Done load(Way& way, const Instruction& at);
  Done load_name(Way& way, const Instruction& at);
  Done store(Way& way, const Instruction& at);
  Done compute(Way& way, const Instruction& at);
  Done handle(Way& way, const Instruction& at);
  Done go(Way& way, const Instruction& at);
  Done call(Way& way, const Instruction& at);
  bool execute(Way& way, const Instruction& at);
  bool in_handler(const Way& way);
  void leave_trace(Way& way, bool shared);
  void set(Way& way, std::string place, Value value, bool shared);
  void begin_handler(Way& way, const Instruction& at);
  [[nodiscard]] RemoteAddr manager(const Way& way);
  [[nodiscard]] int line(const Way& way, std::uint64_t unit) {
    return line_of(reader_, *code_of(way).code, static_cast<std::int64_t>(unit));
  }
  [[nodiscard]] FrameCode& code_of(const Way& way) {
    return way.frame < kFirstCallee ? frames_[way.frame] : callees_[way.frame - kFirstCallee];
  }

  Reader& reader_;
  Objects objects_;
  const facts::ThreadStateFacts& state_;
  RemoteAddr interpreter_;
  std::optional<CodeValues> values_;
  std::deque<FrameCode> frames_, callees_;                                 // what refers to one stays good
  std::unordered_map<std::uint64_t, std::size_t> called_;                  // code object -> index of a callee
  std::unordered_map<std::uint64_t, std::vector<ExceptionEntry>> tables_;  // by code object
  std::vector<Way> ways_;
  std::set<std::string> seen_;
  std::size_t steps_ = 0;
  // What the ways came to: to the wait again; perhaps; out of the loop or the program; to what is not followed.
  bool back_ = false, perhaps_ = false, out_ = false, lost_ = false;
  std::optional<facts::CaughtInterrupt> caught_;
};

std::string local_place(std::size_t frame, std::uint32_t index) {
  return fmt::format("local {} {}", frame, index);
}

Value pop(Way& way) {
  if (way.stack.empty()) return {};
  Value top = std::move(way.stack.back());
  way.stack.pop_back();
  return top;
}

void pop(Way& way, std::uint32_t count) {
  for (; count > 0 && !way.stack.empty(); --count) way.stack.pop_back();
}

CodeValues& Follower::values() {
  if (!values_) values_.emplace(reader_, interpreter_);
  return *values_;
}

bool Follower::find(std::size_t frame) {
  if (frame < frames_.size()) return frames_[frame].table != nullptr;
  FrameCode& found = frames_.emplace_back();
  const auto& facts = state_.frames[frame];
  found.frame = RemoteAddr(facts.address);
  found.entry = facts.entry;
  auto object = code_of_frame(reader_, found.frame);
  if (!object || !facts.instruction) return false;
  auto code = read_code(reader_, *object);
  const std::uint64_t size = reader_.layout().size_of("_Py_CODEUNIT").value_or(2);
  // A free-threaded build may run a copy of the code.
  if (!code || *facts.instruction < (*code)->first.raw()) return false;
  found.unit = (*facts.instruction - (*code)->first.raw()) / size;
  if (found.unit >= (*code)->units) return false;
  found.code = *code;
  found.code_object = *object;
  auto known = tables_.find(object->raw());
  if (known == tables_.end()) {
    auto table = read_exception_table(reader_, *object);
    if (!table) return false;
    known = tables_.emplace(object->raw(), std::move(*table)).first;
  }
  found.table = &known->second;
  return true;
}

bool Follower::parse(std::size_t frame) {
  if (frame >= kFirstCallee) return true;
  if (!find(frame)) return false;
  FrameCode& code = frames_[frame];
  if (!code.instructions.empty()) return code.here != nullptr;
  auto instructions = read_instructions(reader_, values().opcodes(), *code.code);
  auto tuple = reader_.pointer("PyCodeObject", "co_consts", code.code_object);
  auto constants = tuple ? objects_.items(*tuple) : Result<std::vector<RemoteAddr>>(tuple.error());
  auto globals = reader_.pointer("_PyInterpreterFrame", "f_globals", code.frame);
  if (!instructions || !constants || !globals) return false;
  code.instructions = std::move(*instructions);
  code.constants = std::move(*constants);
  code.globals = *globals;
  code.names = names_of_code(reader_, code.frame);
  code.here = instruction_at(code.instructions, code.unit);
  return code.here != nullptr;
}

// The interrupt is raised at a code unit of the way's frame, and goes on outwards until a handler covers it.
void Follower::raise(Way way, std::uint64_t unit) {
  for (; !way.returns.empty(); way.returns.pop_back()) {
    if (const auto* entry = entry_at(*code_of(way).table, unit)) return begin_at(std::move(way), *entry);
    const Return& to = way.returns.back();
    way.frame = to.frame;
    way.handling = to.handling;
    unit = to.unit;
  }
  for (bool first = true; way.frame < state_.frames.size(); ++way.frame, first = false) {
    if (!find(way.frame)) {
      lost_ = true;
      return;
    }
    if (!first) {
      unit = code_of(way).unit;
      way.handling = 0;
    }
    const auto* entry = entry_at(*code_of(way).table, unit);
    if (entry == nullptr) continue;
    return begin_at(std::move(way), *entry);
  }
  out_ = true;
}

void Follower::begin_at(Way way, const ExceptionEntry& entry) {
  way.unit = entry.handler;
  way.depth = entry.depth;
  way.stack.assign(1, Value());
  way.stack.back().exception = true;
  if (is_new(way)) ways_.push_back(std::move(way));
}

std::optional<FrameCode> Follower::read_callee(RemoteAddr function, RemoteAddr object) {
  FrameCode found;
  auto code = read_code(reader_, object);
  auto table = read_exception_table(reader_, object);
  auto names = reader_.pointer("PyCodeObject", "co_names", object);
  auto constants = reader_.pointer("PyCodeObject", "co_consts", object);
  auto globals = reader_.pointer("PyFunctionObject", "func_globals", function);
  if (!code || !table || !names || !constants || !globals) return std::nullopt;
  auto instructions = read_instructions(reader_, values().opcodes(), **code);
  if (!instructions || instructions->empty()) return std::nullopt;
  found.code = *code;
  found.code_object = object;
  found.globals = *globals;
  found.instructions = std::move(*instructions);
  found.constants = objects_.items(*constants).value_or({});
  for (const RemoteAddr name : objects_.items(*names).value_or({}))
    found.names.push_back(objects_.str(name).value_or(""));
  found.table = &tables_.emplace(object.raw(), std::move(*table)).first->second;
  return found;
}

// The code of a Python function that takes just so many arguments by place, and runs when it is called.
std::optional<std::size_t> Follower::callee_of(RemoteAddr function, std::size_t arguments) {
  const auto object = reader_.pointer("PyFunctionObject", "func_code", function);
  if (!object) return std::nullopt;
  const auto count = reader_.number("PyCodeObject", "co_argcount", *object);
  const auto flags = reader_.signed_number("PyCodeObject", "co_flags", *object);
  const auto later = reader_.constant("CO_GENERATOR", 0) | reader_.constant("CO_COROUTINE", 0) |
                     reader_.constant("CO_ASYNC_GENERATOR", 0);
  if (!count || !flags || *count != arguments || (*flags & later) != 0) return std::nullopt;
  if (const auto known = called_.find(object->raw()); known != called_.end()) return known->second;
  auto found = read_callee(function, *object);
  if (!found) return std::nullopt;
  callees_.push_back(std::move(*found));
  return called_[object->raw()] = kFirstCallee + callees_.size() - 1;
}

// The way goes on in the function that is called. False if that cannot be followed.
bool Follower::enter(Way& way, const Instruction& call, const Value& callee, std::vector<Value> arguments) {
  const RemoteAddr function = values().function_of(callee);
  if (!function || way.returns.size() >= kMaxCalls) return false;
  if (callee.self) arguments.insert(arguments.begin(), values().constant(callee.self));
  const auto index = callee_of(function, arguments.size());
  if (!index || way.frame == *index) return false;
  for (const Return& to : way.returns)
    if (to.frame == *index) return false;
  way.returns.push_back({way.frame, call.unit, call.next, way.handling, std::move(way.stack)});
  way.stack.clear();
  way.frame = *index;
  way.unit = 0;
  const std::string locals = fmt::format("local {} ", *index);
  std::erase_if(way.written, [&](const auto& one) { return one.first.starts_with(locals); });
  for (std::uint32_t i = 0; i < arguments.size(); ++i) way.written[local_place(*index, i)] = std::move(arguments[i]);
  return true;
}

void Follower::take(Way& way, std::string by, std::uint64_t unit) {
  if (way.returns.empty()) way.caught = {way.frame, std::move(by), line(way, unit), false};
}

// The function returns to the frame that called it.
void Follower::leave(Way way, const Value& value) {
  if (!way.returns.empty()) {
    Return to = std::move(way.returns.back());
    way.returns.pop_back();
    way.frame = to.frame;
    way.unit = to.next;
    way.handling = to.handling;
    way.stack = std::move(to.stack);
    way.stack.push_back(value);
    if (is_new(way)) ways_.push_back(std::move(way));
    return;
  }
  const bool through_c = code_of(way).entry;
  if (++way.frame >= state_.frames.size()) {
    out_ = true;
    return;
  }
  if (!parse(way.frame)) {
    lost_ = true;
    return;
  }
  const FrameCode& code = code_of(way);
  const Op op = code.here->op;
  way.unit = code.here->next;
  way.handling = 0;
  way.stack.clear();
  const bool calls = op == Op::call || op == Op::call_kw || op == Op::call_function_ex;
  if (op == Op::for_iter || op == Op::send || op == Op::yield_value) {
    lost_ = true;
    return;
  }
  if (calls && !through_c) way.stack.push_back(value);
  const auto* next = instruction_at(code.instructions, way.unit);
  // What it returned may be used, and differ from what it returns otherwise.
  if (!calls || next == nullptr || next->op != Op::pop_top) way.left_trace = true;
  if (is_new(way)) ways_.push_back(std::move(way));
}

// The thread is where it waits, or about to call what led there.
void Follower::back(const Way& way) {
  const bool same = !way.doubt && (way.frame == 0 || !way.shared);
  (same ? back_ : perhaps_) = true;
  if (!caught_) caught_ = way.caught;
}

bool Follower::is_new(const Way& way) {
  std::string key =
      fmt::format("{} {} {} {} {} {}", way.frame, way.unit, way.handling, way.left_trace, way.shared, way.doubt);
  for (const Return& to : way.returns) key += fmt::format(" {}:{}", to.frame, to.unit);
  for (const auto& [place, value] : way.written)
    key += fmt::format(" {}={:x}/{}", place, value.object.raw(), value.truth ? (*value.truth ? "1" : "0") : "");
  return seen_.insert(std::move(key)).second;
}

bool Follower::jump(Way& way, std::uint64_t target) {
  way.unit = target;
  return is_new(way);
}

bool Follower::branch(Way& way, std::optional<bool> taken, std::uint64_t target) {
  if (!taken && ways_.size() < kMaxWays) {
    Way other = way;
    if (jump(other, target)) ways_.push_back(std::move(other));
  }
  return jump(way, taken == true ? target : way.unit);
}

// Inside a handler of the program's own. Python's library puts right in its handlers what it has begun, and stops no
// program there.
bool Follower::in_handler(const Way& way) {
  const std::string& file = code_of(way).code->file;
  const bool library = file.starts_with("<frozen ") ||
                       (file.find("/python3") != std::string::npos && file.find("-packages/") == std::string::npos);
  return way.handling > 0 && (!library || !way.returns.empty());
}

void Follower::leave_trace(Way& way, bool shared) {
  if (!in_handler(way)) return;
  way.left_trace = true;
  way.shared = way.shared || shared;
}

void Follower::set(Way& way, std::string place, Value value, bool shared) {
  if (!value.exception) leave_trace(way, shared);
  way.written[std::move(place)] = std::move(value);
}

Value load_local(CodeValues& values, const FrameCode& code, const Way& way, std::uint32_t index) {
  const auto set = way.written.find(local_place(way.frame, index));
  return set != way.written.end() ? set->second : values.local(code.frame, index);
}

Follower::Done Follower::load(Way& way, const Instruction& at) {
  const FrameCode& code = code_of(way);
  const auto push = [&](Value value) { way.stack.push_back(std::move(value)); };
  const auto local = [&](std::uint32_t index) { return load_local(values(), code, way, index); };
  Value small;
  switch (at.op) {
    case Op::load_const:
      push(at.argument < code.constants.size() ? values().constant(code.constants[at.argument]) : Value());
      return Done::yes;
    case Op::load_small_int:
      small.truth = at.argument != 0;
      small.none = false;
      push(std::move(small));
      return Done::yes;
    case Op::load_common_constant: push(values().common_constant(at.argument)); return Done::yes;
    case Op::load_fast:
    case Op::load_fast_check:
    case Op::load_fast_borrow: push(local(at.argument)); return Done::yes;
    case Op::load_fast_load_fast:
    case Op::load_fast_borrow_load_fast_borrow:
      push(local(at.argument >> 4));
      push(local(at.argument & 15));
      return Done::yes;
    case Op::load_deref: push(values().free_variable(local(at.argument), way.written)); return Done::yes;
    case Op::push_null: push({}); return Done::yes;
    default: return load_name(way, at);
  }
}

Follower::Done Follower::load_name(Way& way, const Instruction& at) {
  const FrameCode& code = code_of(way);
  // Up to 3.11 the method of an object is loaded by an instruction of its own; later a bit of the argument says so.
  const bool old = reader_.layout().constant("LOAD_METHOD").has_value();
  const bool flagged = at.op == Op::load_global || (at.op == Op::load_attr && !old);
  if (at.op != Op::load_global && at.op != Op::load_attr && at.op != Op::load_name && at.op != Op::load_method)
    return Done::no;
  const std::uint32_t index = flagged ? at.argument >> 1 : at.argument;
  const std::string name = index < code.names.size() ? code.names[index] : "";
  const bool global = at.op == Op::load_global || at.op == Op::load_name;
  Value value =
      global ? values().global(code.globals, name, way.written) : values().attribute(pop(way), name, way.written);
  // The NULL or the object that belongs to a call: up to 3.12, which has KW_NAMES, it lies below the callable.
  const bool pair = (flagged && (at.argument & 1) != 0) || at.op == Op::load_method;
  const bool below = reader_.layout().constant("KW_NAMES").has_value();
  if (pair && below) way.stack.emplace_back();
  way.stack.push_back(std::move(value));
  if (pair && !below) way.stack.emplace_back();
  return Done::yes;
}

Follower::Done Follower::store(Way& way, const Instruction& at) {
  const FrameCode& code = code_of(way);
  const auto name = [&] { return at.argument < code.names.size() ? code.names[at.argument] : std::string(); };
  switch (at.op) {
    case Op::store_fast: set(way, local_place(way.frame, at.argument), pop(way), false); return Done::yes;
    case Op::delete_fast: way.written[local_place(way.frame, at.argument)] = {}; return Done::yes;
    case Op::store_fast_load_fast:
      set(way, local_place(way.frame, at.argument >> 4), pop(way), false);
      way.stack.push_back(load_local(values(), code, way, at.argument & 15));
      return Done::yes;
    case Op::store_global:
    case Op::store_name: set(way, CodeValues::place(code.globals, name()), pop(way), true); return Done::yes;
    case Op::store_deref:
      set(way, CodeValues::place(load_local(values(), code, way, at.argument).object, ""), pop(way), true);
      return Done::yes;
    case Op::store_attr: {
      const RemoteAddr owner = pop(way).object;
      if (!owner && in_handler(way)) way.doubt = true;
      set(way, CodeValues::place(owner, name()), pop(way), true);
      return Done::yes;
    }
    case Op::store_subscr:
      pop(way, 3);
      leave_trace(way, true);
      return Done::yes;
    default: return Done::no;
  }
}

Follower::Done Follower::compute(Way& way, const Instruction& at) {
  const auto replace = [&](std::uint32_t count) {
    pop(way, count);
    way.stack.emplace_back();
    return Done::yes;
  };
  switch (at.op) {
    case Op::nop:
    case Op::resume:
    case Op::not_taken:
    case Op::precall:
    case Op::to_bool: return Done::yes;
    case Op::kw_names: way.named = true; return Done::yes;
    case Op::copy:
      way.stack.push_back(at.argument <= way.stack.size() && at.argument > 0 ? way.stack[way.stack.size() - at.argument]
                                                                             : Value());
      return Done::yes;
    case Op::swap:
      if (at.argument > way.stack.size() || at.argument == 0)
        way.stack.clear();
      else
        std::swap(way.stack.back(), way.stack[way.stack.size() - at.argument]);
      return Done::yes;
    case Op::build_tuple: {
      Value tuple;
      bool known = at.argument <= way.stack.size();
      for (std::size_t i = 0; known && i < at.argument; ++i)
        tuple.items.push_back(way.stack[way.stack.size() - at.argument + i].object);
      replace(at.argument);
      way.stack.back() = std::move(tuple);
      return Done::yes;
    }
    case Op::unary_not: {
      const auto truth = values().truth(pop(way), way.doubt);
      way.stack.emplace_back();
      if (truth) way.stack.back().truth = !*truth;
      return Done::yes;
    }
    case Op::build_list:
    case Op::build_string: return replace(at.argument);
    case Op::format_value: return replace((at.argument & 4) != 0 ? 2 : 1);
    case Op::format_simple:
    case Op::convert_value: return replace(1);
    case Op::binary_op:
    case Op::binary_subscr:
    case Op::compare_op:
    case Op::is_op:
    case Op::contains_op: return replace(2);
    default: return Done::no;
  }
}

void Follower::begin_handler(Way& way, const Instruction& at) {
  ++way.handling;
  const Value exception = pop(way);
  way.stack.emplace_back();  // what was handled before
  way.stack.push_back(exception);
  take(way, "a bare except or a finally", at.next);
}

// What the `with` statement around the way's place is on: its exit method, or the object, is on top of what stays on
// the stack (with_blocks.cpp).
RemoteAddr Follower::manager(const Way& way) {
  const FrameCode& code = code_of(way);
  if (way.depth == 0 || way.depth > code.code->stack) return {};
  const auto index = static_cast<std::uint32_t>(code.code->locals + way.depth - 1);
  return holder_of(reader_, values().local(code.frame, index).object);
}

Follower::Done Follower::handle(Way& way, const Instruction& at) {
  switch (at.op) {
    case Op::push_exc_info: begin_handler(way, at); return Done::yes;
    case Op::pop_except:
      --way.handling;
      pop(way);
      return Done::yes;
    case Op::check_exc_match: {
      const Value type = pop(way);
      Value matches;
      matches.truth = values().takes_interrupt(type).value_or(false);  // most types that are not known are not this one
      if (*matches.truth) take(way, values().describe_except(type), at.unit);
      way.stack.push_back(std::move(matches));
      return Done::yes;
    }
    case Op::with_except_start: {
      const RemoteAddr on = manager(way);
      Value takes;
      takes.truth = values().manager_takes_interrupt(on);
      if (*takes.truth) take(way, "with " + objects_.qualified_type_name(on).value_or("?"), at.unit);
      way.stack.push_back(std::move(takes));
      return Done::yes;
    }
    case Op::reraise: raise(std::move(way), at.unit); return Done::ended;
    case Op::raise_varargs:
      if (at.argument == 0)
        raise(std::move(way), at.unit);
      else
        out_ = true;  // another exception
      return Done::ended;
    case Op::pop_top:
      // `except:` drops the exception, where its line is; before that stand the types of other clauses.
      if (!way.stack.empty() && way.stack.back().exception && way.returns.empty() && way.caught &&
          way.caught->by.starts_with("a bare"))
        way.caught->line = line(way, at.unit);
      pop(way);
      return Done::yes;
    default: return Done::no;
  }
}

Follower::Done Follower::go(Way& way, const Instruction& at) {
  const auto forward = at.next + at.argument, backward = at.next - at.argument;
  const auto goes_on = [](bool on) { return on ? Done::yes : Done::ended; };
  const auto truth = [&] { return values().truth(pop(way), way.doubt); };
  const auto untrue = [&] {
    const auto value = truth();
    return value ? std::optional<bool>(!*value) : value;
  };
  const auto none = [&](bool wanted) {
    const auto value = values().is_none(pop(way), way.doubt);
    return value ? std::optional<bool>(*value == wanted) : value;
  };
  switch (at.op) {
    case Op::jump_forward: return goes_on(jump(way, forward));
    case Op::jump_backward:
    case Op::jump_backward_no_interrupt: return goes_on(jump(way, backward));
    case Op::pop_jump_if_true:
    case Op::pop_jump_forward_if_true: return goes_on(branch(way, truth(), forward));
    case Op::pop_jump_if_false:
    case Op::pop_jump_forward_if_false: return goes_on(branch(way, untrue(), forward));
    case Op::pop_jump_if_none:
    case Op::pop_jump_forward_if_none: return goes_on(branch(way, none(true), forward));
    case Op::pop_jump_if_not_none:
    case Op::pop_jump_forward_if_not_none: return goes_on(branch(way, none(false), forward));
    case Op::pop_jump_backward_if_true: return goes_on(branch(way, truth(), backward));
    case Op::pop_jump_backward_if_false: return goes_on(branch(way, untrue(), backward));
    case Op::pop_jump_backward_if_none: return goes_on(branch(way, none(true), backward));
    case Op::pop_jump_backward_if_not_none: return goes_on(branch(way, none(false), backward));
    case Op::jump_if_true_or_pop:
    case Op::jump_if_false_or_pop:
    case Op::for_iter: way.stack.clear(); return goes_on(branch(way, std::nullopt, forward));
    case Op::return_value: leave(way, pop(way)); return Done::ended;
    case Op::return_const: {
      const auto& constants = code_of(way).constants;
      leave(way, at.argument < constants.size() ? values().constant(constants[at.argument]) : Value());
      return Done::ended;
    }
    case Op::send:
    case Op::yield_value:
    case Op::return_generator: lost_ = true; return Done::ended;
    default: return Done::no;
  }
}

Follower::Done Follower::call(Way& way, const Instruction& at) {
  if (at.op != Op::call && at.op != Op::call_kw && at.op != Op::call_function_ex) return Done::no;
  if (at.op == Op::call_function_ex) way.stack.clear();
  if (at.op == Op::call_kw) pop(way);  // the names
  std::vector<Value> arguments(std::min<std::size_t>(at.argument, kMaxArguments));
  bool nones = at.op == Op::call && at.argument >= 2;  // the exit of a `with` block that has ended as it should
  for (std::size_t i = at.argument; i > 0; --i) {
    Value argument = pop(way);
    nones = nones && values().is_none(argument, false) == true;
    if (i <= arguments.size()) arguments[i - 1] = std::move(argument);
  }
  const Value upper = pop(way), lower = pop(way);
  const Value& callee = upper.object || upper.self ? upper : lower;
  auto done = values().call(callee, way.written);
  if (done.effect == Effect::ends) {
    out_ = true;
    return Done::ended;
  }
  // Code that runs in every turn of the loop has returned before.
  const bool special = (in_handler(way) || way.left_trace) && !nones;
  const bool named = std::exchange(way.named, false) || at.op != Op::call;
  if (done.effect == Effect::unknown && special) {
    if (!named && enter(way, at, callee, std::move(arguments))) return Done::yes;
    way.doubt = true;
  }
  if (done.writes) leave_trace(way, true);
  way.stack.push_back(std::move(done.value));
  return Done::yes;
}

// False: the way ends there.
bool Follower::execute(Way& way, const Instruction& at) {
  for (const auto one :
       {&Follower::load, &Follower::store, &Follower::compute, &Follower::handle, &Follower::go, &Follower::call})
    if (const Done done = (this->*one)(way, at); done != Done::no) return done == Done::yes;
  way.stack.clear();  // what it does to the stack is not looked at
  return true;
}

void Follower::follow(Way way) {
  for (;;) {
    if (++steps_ > kMaxSteps || !parse(way.frame)) {
      lost_ = true;
      return;
    }
    const FrameCode& code = code_of(way);
    const auto* at = instruction_at(code.instructions, way.unit);
    if (at == nullptr) {
      lost_ = true;
      return;
    }
    if (at == code.here) return back(way);
    way.unit = at->next;
    if (!execute(way, *at)) return;
  }
}

std::optional<facts::CaughtInterrupt> Follower::run() {
  if (!state_.frames_complete || state_.frames.empty() || !find(0)) return std::nullopt;
  raise({}, frames_.front().unit);
  while (!ways_.empty()) {
    Way way = std::move(ways_.back());
    ways_.pop_back();
    follow(std::move(way));
  }
  // Where the handler calls what may do anything, and the loop has an end, the one is likely there for the other.
  if (!caught_ || (!back_ && perhaps_ && out_)) return std::nullopt;
  caught_->resumes = back_ && !perhaps_ && !out_ && !lost_;
  return caught_;
}

}  // namespace

std::optional<facts::CaughtInterrupt> find_caught_interrupt(Reader& reader, const facts::ThreadStateFacts& state,
                                                            RemoteAddr interpreter) {
  return Follower(reader, state, interpreter).run();
}

}  // namespace hang::cpython
