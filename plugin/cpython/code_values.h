// CodeValues: what instructions load, as far as memory tells, for code that is followed without being run. Nothing
// known of a value is a common case and no error.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cpython/instructions.h"
#include "cpython/object.h"

namespace hang::cpython {

// A value on the stack of code that is followed; without an object: not known which.
struct Value {
  RemoteAddr object;
  std::optional<bool> truth, none;  // known without an object
  bool exception = false;           // it is the interrupt
  bool changeable = false;          // a variable or attribute that any call may set anew
  RemoteAddr self;                  // the attribute `name` of this object, which is no data: a method
  std::string name;
  std::vector<RemoteAddr> items;  // of a tuple that the code builds
};

// Variables and attributes that the code has set since, by place.
using Written = std::map<std::string, Value>;

// What a call does to who calls it: it returns, it ends the program or the thread, or that is not known.
enum class Effect { returns, ends, unknown };

class CodeValues {
 public:
  // `interpreter` is the PyInterpreterState, for its builtins.
  CodeValues(Reader& reader, RemoteAddr interpreter);

  [[nodiscard]] const Opcodes& opcodes() const { return opcodes_; }
  // Whether `except CLASS` takes a KeyboardInterrupt; nothing where the class is not known.
  std::optional<bool> takes_interrupt(const Value& type);
  // The class of such a clause that takes it: "except BaseException".
  std::string describe_except(const Value& type);
  // Whether the manager of a `with` statement takes one. False also where that is not known: most do not.
  bool manager_takes_interrupt(RemoteAddr manager);

  Value constant(RemoteAddr object) const { return {object, {}, {}, false, false, {}, {}, {}}; }
  Value common_constant(std::uint32_t argument);  // LOAD_COMMON_CONSTANT
  Value local(RemoteAddr frame, std::uint32_t index);
  Value free_variable(const Value& cell, const Written& written);
  Value global(RemoteAddr globals, const std::string& name, const Written& written);
  Value attribute(const Value& of, const std::string& name, const Written& written);
  static std::string place(RemoteAddr owner, const std::string& name);  // of a global or an attribute, in `Written`

  // `stale`: what is changeable may have been changed since it was read.
  std::optional<bool> truth(const Value& value, bool stale);
  std::optional<bool> is_none(const Value& value, bool stale);
  // What a call returns, and what it does beside.
  struct Call {
    Effect effect = Effect::unknown;
    Value value;
    bool writes = false;
  };
  Call call(const Value& callee, Written& written);
  // The Python function that a call of it runs; of a method, the one in its class. NULL if it is none.
  RemoteAddr function_of(const Value& callee);

 private:
  std::optional<bool> class_takes_interrupt(RemoteAddr type);
  std::optional<Call> call_event(const Value& callee, Written& written);
  Effect effect_of_method(const Value& callee, bool& writes);
  bool always_returns_true(RemoteAddr function);
  RemoteAddr class_attribute(RemoteAddr object, const std::string& name);

  Reader& reader_;
  Objects objects_;
  Opcodes opcodes_;
  RemoteAddr builtins_;
  std::vector<RemoteAddr> interrupt_mro_;  // of KeyboardInterrupt
};

}  // namespace hang::cpython
