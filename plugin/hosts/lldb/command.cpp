#include "hosts/lldb/command.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "commands/commands.h"
#include "hosts/lldb/lldb_target.h"

namespace hang::lldb_host {
namespace {

constexpr int kMinWidth = 60, kMaxWidth = 200;

// Why the debugger's process cannot be looked at; "" if it can.
std::string unusable(lldb::SBProcess& process) {
  switch (process.IsValid() ? process.GetState() : lldb::eStateInvalid) {
    case lldb::eStateStopped:
    case lldb::eStateCrashed:
    case lldb::eStateSuspended: return "";
    case lldb::eStateRunning:
    case lldb::eStateStepping:
    case lldb::eStateLaunching:
    case lldb::eStateAttaching: return "the process is running: stop it first (process interrupt)";
    default: return "no process: attach to one (process attach -p PID) or load a core (target create -c FILE)";
  }
}

report::Style style_of(lldb::SBDebugger& debugger) {
  report::Style style;
  style.color = debugger.GetUseColor();  // LLDB turns it off by itself where its output is no terminal
  // 32 bits up to LLDB 20, 64 later; the cast drops what an older one leaves in the upper half of the register.
  style.width =
      std::clamp(static_cast<int>(static_cast<std::uint16_t>(debugger.GetTerminalWidth())), kMinWidth, kMaxWidth);
  return style;
}

std::string without_last_newline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void pass_on(const commands::Output& output, lldb::SBCommandReturnObject& result) {
  if (!output.out.empty()) result.PutCString(output.out.c_str(), static_cast<int>(output.out.size()));
  if (output.exit_code == 2) {
    result.SetError(without_last_newline(output.err).c_str());
    result.SetStatus(lldb::eReturnStatusFailed);
    return;
  }
  if (!output.err.empty()) result.AppendWarning(without_last_newline(output.err).c_str());
  result.SetStatus(lldb::eReturnStatusSuccessFinishResult);
}

commands::Output run(const std::string& name, lldb::SBDebugger& debugger, char** words) {
  commands::Host host;
  host.name = "lldb";
  host.style = style_of(debugger);
  auto target = debugger.GetSelectedTarget();
  auto process = target.GetProcess();
  host.no_target = unusable(process);
  std::optional<LldbTarget> lldb_target;
  if (host.no_target.empty()) host.target = &lldb_target.emplace(target, process);
  std::vector<std::string> args{name};
  for (; words != nullptr && *words != nullptr; ++words) args.emplace_back(*words);
  return commands::run(args, host);
}

}  // namespace

bool Command::DoExecute(lldb::SBDebugger debugger, char** words, lldb::SBCommandReturnObject& result) {
  try {
    pass_on(run(name_, debugger, words), result);
  } catch (const std::exception& error) {
    result.SetError((std::string("hang: internal error: ") + error.what()).c_str());
    result.SetStatus(lldb::eReturnStatusFailed);
  }
  return result.Succeeded();
}

}  // namespace hang::lldb_host
