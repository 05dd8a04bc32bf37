#include "target/target.h"

namespace hang {

void Target::read_many(std::span<ReadRequest> requests) {
  for (auto& request : requests) request.got = read(request.at, request.out).value_or(0);
}

Result<std::vector<StackFrame>> Target::native_stack(std::uint64_t) {
  return Error{ErrorKind::no_symbols, "this host does not walk native stacks"};
}

Result<void> read_exact(Target& target, RemoteAddr address, std::span<std::byte> out, std::string_view field) {
  auto count = target.read(address, out);
  if (!count) {
    Error error = count.error();
    if (error.field.empty()) error.field = field;
    if (!error.address) error.address = address;
    return error;
  }
  if (*count == out.size()) return {};
  // The missing byte, not the first one, is what a reader of the report wants to look at.
  return Error{ErrorKind::unreadable,
               "only " + std::to_string(*count) + " of " + std::to_string(out.size()) + " bytes are there",
               address.field(*count), std::string(field)};
}

}  // namespace hang
