// GdbTarget: the selected inferior of GDB, through the callbacks of the C ABI. Lives for one command.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "hosts/gdb/debugger.h"
#include "target/page_cache.h"
#include "target/symbol_files.h"
#include "target/target.h"

namespace hang::gdb_host {

class GdbTarget : public Target {
 public:
  // `debugger` must outlive it. Errors: why the inferior cannot be looked at, and what to do about it.
  static Result<std::unique_ptr<GdbTarget>> open(Debugger& debugger);

  [[nodiscard]] TargetKind kind() const override { return kind_; }
  [[nodiscard]] std::uint64_t pid() const override { return in_core() ? here_->pid() : debugger_->pid(); }
  [[nodiscard]] bool local() const override { return local_; }
  [[nodiscard]] bool stopped_by_host() const override { return kind_ == TargetKind::live; }
  [[nodiscard]] bool one_instant() const override { return !in_core() || here_->one_instant(); }
  // Nothing can resume the inferior while a command runs.
  [[nodiscard]] std::uint64_t stop_id() const override { return 0; }

  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) override;
  Result<std::vector<Module>> modules() override { return module_list(); }
  Result<std::vector<TargetThread>> threads() override;
  Result<RemoteAddr> symbol(const Module& module, std::string_view name) override;
  Result<MemberLayout> member(std::string_view type, std::string_view path) override;
  Result<CodeSymbol> code_symbol(RemoteAddr pc) override;
  Result<std::vector<StackFrame>> native_stack(std::uint64_t tid) override;
  TargetProcess process() override { return in_core() ? here_->process() : TargetProcess{}; }
  std::vector<TargetFlaw> flaws() override;
  std::string missing_files() override { return here_ != nullptr ? here_->missing_files() : ""; }

 private:
  GdbTarget(Debugger& debugger, TargetKind kind);
  [[nodiscard]] bool in_core() const { return kind_ == TargetKind::core; }
  const std::vector<Module>& module_list();

  Debugger* debugger_;
  TargetKind kind_;
  bool local_ = false;
  // The same process or core without GDB: a local process through procfs (which files it has mapped, also in a
  // container, and its stacks), a core through its file. Null for a process of another machine.
  //
  // A core is read by that alone: GDB's own view gives zeros for memory that the core does not have, and the bytes of
  // the file for memory that was writable.
  std::unique_ptr<Target> here_;
  PageCache pages_;
  SymbolFiles symbols_;
  std::optional<std::vector<Module>> modules_;
};

}  // namespace hang::gdb_host
