// The entry point of `plugin load libhang_lldb.so`: registers `hang` as a multiword command.
#include <exception>
#include <lldb/API/LLDB.h>
#include <string>

#include "commands/commands.h"
#include "hosts/lldb/command.h"
#include "hosts/lldb/liblldb.h"
#include "hosts/lldb/version.h"

namespace lldb {
// Declared by the loader, not by a header (lldb/source/API/SBDebugger.cpp, LoadPlugin).
__attribute__((visibility("default"))) bool PluginInitialize(SBDebugger debugger);
}  // namespace lldb

namespace hang::lldb_host {
namespace {

// There is no result object while a plugin is loaded: the debugger's own error stream is all there is.
bool refuse(lldb::SBDebugger& debugger, const std::string& why) {
  std::string line = "hang: " + why + "\n";
  std::size_t written = 0;
  debugger.GetErrorFile().Write(reinterpret_cast<const std::uint8_t*>(line.data()), line.size(), &written);
  return false;
}

// LLDB wraps help at the terminal's width, and breaks tables in doing so.
constexpr int kHelpWidth = 78;

// `help hang NAME` says what `hang help NAME` says.
std::string long_help(const std::string& name) {
  commands::Host host;
  host.name = "lldb";
  host.style.width = kHelpWidth;
  return commands::run({"help", name}, host).out;
}

bool initialize(lldb::SBDebugger& debugger) {
  const char* version = lldb::SBDebugger::GetVersionString();
  auto major = major_version(version != nullptr ? version : "");
  if (major && *major < kOldestLldb) {
    return refuse(debugger, "this is LLDB " + std::to_string(*major) + ", which is too old: LLDB " +
                                std::to_string(kOldestLldb) + " or later is needed");
  }
  auto hang = debugger.GetCommandInterpreter().AddMultiwordCommand(
      "hang", "Names why a CPython process hangs, with the evidence. Start with `hang classify`.");
  if (!hang.IsValid()) return refuse(debugger, "the command `hang` could not be added");
  for (const auto& info : commands::command_list()) {
    // LLDB takes ownership of the implementation.
    std::string syntax = "hang " + info.name + " [options]";
    auto added = hang.AddCommand(info.name.c_str(), new Command(info.name), info.summary.c_str(), syntax.c_str());
    if (!added.IsValid()) return refuse(debugger, "the command `hang " + info.name + "` could not be added");
    added.SetHelpLong(long_help(info.name).c_str());
  }
  return true;
}

}  // namespace
}  // namespace hang::lldb_host

bool lldb::PluginInitialize(lldb::SBDebugger debugger) {
  if (!hang::lldb_host::make_liblldb_global()) return false;
  try {
    return hang::lldb_host::initialize(debugger);
  } catch (const std::exception& error) {
    return hang::lldb_host::refuse(debugger, std::string("internal error: ") + error.what());
  }
}
