#include "base/result.h"

#include <fmt/format.h>

#include "base/address.h"

namespace hang {

std::string RemoteAddr::hex() const {
  return fmt::format("{:#x}", raw_);
}

const char* to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::unreadable: return "unreadable";
    case ErrorKind::absent_field: return "absent_field";
    case ErrorKind::unsupported_version: return "unsupported_version";
    case ErrorKind::inconsistent: return "inconsistent";
    case ErrorKind::budget: return "budget";
    case ErrorKind::no_symbols: return "no_symbols";
    case ErrorKind::not_python: return "not_python";
    case ErrorKind::no_such_process: return "no_such_process";
    case ErrorKind::no_permission: return "no_permission";
    case ErrorKind::io: return "io";
    case ErrorKind::usage: return "usage";
  }
  return "inconsistent";
}

std::string Error::describe() const {
  std::string where;
  if (!field.empty()) where += field;
  if (address) where += fmt::format("{}at {}", where.empty() ? "" : " ", address->hex());
  return where.empty() ? message : fmt::format("{} ({})", message, where);
}

}  // namespace hang
