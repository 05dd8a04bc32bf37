#include "collect/code_symbols.h"

#include <cstdlib>
#include <cxxabi.h>
#include <memory>

namespace hang::collect {

std::string demangled(const std::string& symbol) {
  if (!symbol.starts_with("_Z")) return symbol;
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status),
                                                    std::free);
  return status == 0 && name ? std::string(name.get()) : symbol;
}

std::string module_name(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::optional<Module> module_at(Target& target, RemoteAddr address) {
  const auto modules = target.modules();
  if (!modules) return std::nullopt;
  for (const Module& module : *modules)
    if (address >= module.begin && address < module.end) return module;
  return std::nullopt;
}

namespace {

// What a stripped function is called.
constexpr const char* kUnnamed = "a function without a name";

// Whether a function without a symbol in CPython's own module is certainly not the loop that runs bytecode: that is one
// large exported function (Python/ceval.c), unless the build has a function for each opcode (gh-128563, 3.14+), where
// the exported one is only the entry.
bool loop_is_one_function(Target& target, const Module& module) {
  constexpr std::uint64_t kFarInside = 0x4000;
  const auto begin = target.symbol(module, "_PyEval_EvalFrameDefault");
  if (!begin) return false;
  const auto covering = target.code_symbol(begin->field(kFarInside));
  return covering && covering->name == "_PyEval_EvalFrameDefault";
}

}  // namespace

std::optional<CodeSymbol> symbol_at(Target& target, RemoteAddr pc, const std::string& library) {
  if (auto symbol = target.code_symbol(pc))
    return CodeSymbol{demangled(symbol->name), module_name(symbol->module), symbol->offset};
  const auto module = module_at(target, pc);
  if (!module || (module->path == library && !loop_is_one_function(target, *module))) return std::nullopt;
  return CodeSymbol{kUnnamed, module_name(module->path), 0};
}

}  // namespace hang::collect
