#include "loops/task_selection.h"

#include "cpython/readers.h"

namespace hang::loops {

std::pair<std::uint64_t, std::uint64_t> TaskSelection::place_of(RemoteAddr coroutine) const {
  auto& reader = python_.reader();
  auto frame = reader.address("PyGenObject", "gi_iframe", coroutine);
  if (!coroutine || !frame) return {};
  auto code = cpython::code_of_frame(reader, *frame);
  auto instruction = cpython::instruction_of_frame(reader, *frame);
  return {code.value_or(RemoteAddr()).raw(), instruction.value_or(0)};
}

bool TaskSelection::takes(RemoteAddr coroutine, bool needed) {
  ++seen_;
  const auto alike = ++alike_[place_of(coroutine)];
  if (!needed && (alike > kMostAlike || taken_ >= kMost)) return false;
  ++taken_;
  return true;
}

}  // namespace hang::loops
