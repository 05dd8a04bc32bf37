// Command: one declared command as LLDB runs it. Everything that it prints goes to the result object.
#pragma once

#include <lldb/API/LLDB.h>
#include <string>

namespace hang::lldb_host {

// Holds the name only: what a command reads it reads anew, so nothing can be stale after the process ran on, and no
// target is kept alive by us.
class Command : public lldb::SBCommandPluginInterface {
 public:
  explicit Command(std::string name) : name_(std::move(name)) {}
  // The status of `result` is a failure only for exit code 2: a hang that was named is a success of the command.
  bool DoExecute(lldb::SBDebugger debugger, char** words, lldb::SBCommandReturnObject& result) override;

 private:
  std::string name_;
};

}  // namespace hang::lldb_host
