// Result<T>: the one way a fallible operation reports failure.
//
// std::expected arrives with C++23 and is missing from g++ 12 and clang 14; this is the small part of it that
// the project needs, and it can be replaced by an alias once the oldest supported compiler has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/address.h"

namespace hang {

// The closed set of ways in which reading a target can fail. "Unreadable" is never zero and never "absent".
enum class ErrorKind {
  unreadable,           // the bytes are not there (unmapped, missing from the core, process gone)
  absent_field,         // the layout of this CPython has no such field
  unsupported_version,  // a CPython that this build has no layout for
  inconsistent,         // read, but violates an invariant
  budget,               // the walk was cut short by its limit
  no_symbols,           // a symbol or section that was needed is not in the file
  not_python,           // no CPython runtime in the process
  no_such_process,      // no such pid, or it ended while being read
  no_permission,        // the kernel refused
  io,                   // a file of ours (facts, core) cannot be read or written
  usage,                // the caller's arguments make no sense
};

// Stable lower-case name of a kind, as used in JSON ("unreadable", "absent_field", ...).
const char* to_string(ErrorKind kind);

// What went wrong, where, and while reading which field.
struct Error {
  ErrorKind kind = ErrorKind::inconsistent;
  std::string message;                  // one line, for people, no trailing full stop
  std::optional<RemoteAddr> address{};  // in the target, if the failure has one
  std::string field{};                  // "PyThreadState.native_thread_id", or empty

  // "cannot read PyThreadState.next at 0x7f..: message"
  [[nodiscard]] std::string describe() const;
};

// A value or an Error. Every Result must be looked at.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }
  T value_or(T fallback) const { return ok() ? value() : std::move(fallback); }
  [[nodiscard]] std::optional<T> to_optional() const { return ok() ? std::optional<T>(value()) : std::nullopt; }

 private:
  std::variant<T, Error> state_;
};

// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace hang
