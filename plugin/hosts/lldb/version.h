// Version: whether the LLDB that loads the plugin has the API that the plugin uses.
#pragma once

#include <cctype>
#include <optional>
#include <string_view>

namespace hang::lldb_host {

// The oldest LLDB whose liblldb defines every symbol that the plugin refers to.
inline constexpr int kOldestLldb = 14;

// The major version in SBDebugger::GetVersionString(): "lldb version 22.1.8" gives 22. Nothing for other forms
// (Apple's "lldb-1600.0.36.3").
inline std::optional<int> major_version(std::string_view text) {
  constexpr std::string_view kPrefix = "lldb version ";
  auto at = text.find(kPrefix);
  if (at == std::string_view::npos) return std::nullopt;
  int major = 0, digits = 0;
  for (char c : text.substr(at + kPrefix.size())) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) break;
    if (++digits > 4) return std::nullopt;
    major = major * 10 + (c - '0');
  }
  return digits > 0 ? std::optional<int>(major) : std::nullopt;
}

}  // namespace hang::lldb_host
