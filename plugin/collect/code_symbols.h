// What a code address of the target is called.
#pragma once

#include <optional>
#include <string>

#include "target/target.h"

namespace hang::collect {

// The symbol that covers `pc`, with the file name of its module. A function that was stripped is "a function without a
// name" of its module, but for CPython's own (`library`, its path) only if that is certainly not the loop that runs
// bytecode. Nothing if that is not known.
std::optional<CodeSymbol> symbol_at(Target& target, RemoteAddr pc, const std::string& library);

// The name that a C++ programmer knows: "(anonymous namespace)::spin(_object*)". Others are as they are.
std::string demangled(const std::string& symbol);
// The file name of a path.
std::string module_name(const std::string& path);
// The module that is mapped at `address`.
std::optional<Module> module_at(Target& target, RemoteAddr address);

}  // namespace hang::collect
