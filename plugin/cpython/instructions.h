// Instructions: the code of one code object, as it was compiled: specialized and instrumented instructions under their
// first names, arguments whole, caches left out. And its exception table.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "cpython/reader.h"

namespace hang::cpython {

// The instructions that somebody asks about, by CPython's names in lower case; `other` is any other one.
#define HANG_OPS(op)                                                                                                   \
  op(load_const) op(load_small_int) op(load_common_constant) op(load_fast) op(load_fast_check) op(load_fast_borrow)    \
      op(load_fast_load_fast) op(load_fast_borrow_load_fast_borrow) op(store_fast) op(store_fast_load_fast) op(        \
          delete_fast) op(load_global) op(load_name) op(store_global) op(store_name) op(load_deref) op(store_deref)    \
          op(load_attr) op(load_method) op(store_attr) op(store_subscr) op(push_null) op(pop_top) op(copy) op(swap)    \
              op(nop) op(resume) op(not_taken) op(extended_arg) op(precall) op(kw_names) op(call) op(call_kw)          \
                  op(call_function_ex) op(build_tuple) op(build_list) op(build_string) op(format_value)                \
                      op(format_simple) op(convert_value) op(binary_op) op(binary_subscr) op(compare_op) op(is_op)     \
                          op(contains_op) op(unary_not) op(to_bool) op(push_exc_info) op(pop_except)                   \
                              op(check_exc_match) op(with_except_start) op(reraise) op(raise_varargs) op(return_value) \
                                  op(return_const) op(jump_forward) op(jump_backward) op(jump_backward_no_interrupt)   \
                                      op(for_iter) op(pop_jump_if_false) op(pop_jump_if_true) op(pop_jump_if_none)     \
                                          op(pop_jump_if_not_none) op(pop_jump_forward_if_false)                       \
                                              op(pop_jump_forward_if_true) op(pop_jump_forward_if_none)                \
                                                  op(pop_jump_forward_if_not_none) op(pop_jump_backward_if_false)      \
                                                      op(pop_jump_backward_if_true) op(pop_jump_backward_if_none)      \
                                                          op(pop_jump_backward_if_not_none) op(jump_if_false_or_pop)   \
                                                              op(jump_if_true_or_pop) op(send) op(yield_value)         \
                                                                  op(return_generator)

enum class Op : std::uint8_t {
  other,
#define HANG_OP(name) name,
  HANG_OPS(HANG_OP)
#undef HANG_OP
};

// What the numbers in code mean in one minor (_PyOpcode_Deopt and _PyOpcode_Caches, as the layout table has them).
class Opcodes {
 public:
  explicit Opcodes(layout::Layout& layout);
  struct Meaning {
    Op op = Op::other;
    std::uint8_t caches = 0;
    bool known =
        false;  // false: no such opcode, or one that hides what stood there (ENTER_EXECUTOR, INSTRUMENTED_LINE)
  };
  [[nodiscard]] const Meaning& of(std::uint8_t opcode) const { return meanings_[opcode]; }

 private:
  std::array<Meaning, 256> meanings_{};
};

struct Instruction {
  Op op = Op::other;
  std::uint32_t argument = 0;
  std::uint64_t unit = 0, next = 0;  // code units: where it begins, with its EXTENDED_ARGs, and where the next one does
};

// In the order of the code. `inconsistent` where an opcode is not known.
Result<std::vector<Instruction>> read_instructions(Reader& reader, const Opcodes& opcodes, const Code& code);
// The one that covers a code unit, caches included; null if none does.
const Instruction* instruction_at(const std::vector<Instruction>& code, std::uint64_t unit);

// An entry of an exception table: where an exception raised in these code units goes.
struct ExceptionEntry {
  std::uint64_t start = 0, size = 0, handler = 0;  // code units
  std::uint64_t depth = 0;                         // values that stay on the stack
};

Result<std::vector<ExceptionEntry>> read_exception_table(Reader& reader, RemoteAddr code);
// The one that covers a code unit; null if none does.
const ExceptionEntry* entry_at(std::span<const ExceptionEntry> table, std::uint64_t unit);

}  // namespace hang::cpython
