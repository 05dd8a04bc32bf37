// LldbTarget: the process or core of a debugger, through the SB API. Lives for one command.
#pragma once

#include <lldb/API/LLDB.h>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hosts/lldb/modules.h"
#include "target/page_cache.h"
#include "target/target.h"

namespace hang::lldb_host {

class LldbTarget : public Target {
 public:
  // `process` must be stopped. It is neither run nor written to, and the selected thread and frame are left alone.
  LldbTarget(const lldb::SBTarget& target, const lldb::SBProcess& process);

  [[nodiscard]] TargetKind kind() const override { return kind_; }
  [[nodiscard]] std::uint64_t pid() const override { return pid_; }
  [[nodiscard]] bool local() const override { return local_; }
  [[nodiscard]] bool stopped_by_host() const override { return kind_ == TargetKind::live; }
  [[nodiscard]] std::uint64_t stop_id() const override { return stop_id_; }
  // False for a core of `hang snapshot --core`, which says so in a note.
  [[nodiscard]] bool one_instant() const override;

  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) override { return pages_.read(address, out); }
  Result<std::vector<Module>> modules() override;
  // With all registers for a core, from its notes. A live local thread has pc and sp only: LLDB does not give orig_rax,
  // and /proc/PID/task/TID/syscall has the system call, also while the thread is stopped. Others have none.
  Result<std::vector<TargetThread>> threads() override;
  Result<RemoteAddr> symbol(const Module& module, std::string_view name) override;
  Result<MemberLayout> member(std::string_view type, std::string_view path) override;
  Result<CodeSymbol> code_symbol(RemoteAddr pc) override;
  Result<std::vector<StackFrame>> native_stack(std::uint64_t tid) override;

 private:
  std::uint64_t function_begin(RemoteAddr pc, lldb::SBFrame& frame);
  // The page at `page`: memory, and for a core the read-only segments of the mapped files, which a core leaves out.
  Result<std::size_t> fetch(RemoteAddr page, std::span<std::byte> out);
  std::size_t read_memory(RemoteAddr address, std::span<std::byte> out, lldb::SBError& error);
  std::size_t read_file(RemoteAddr address, std::span<std::byte> out);
  const std::vector<Module>& module_list();
  const Module* module_of(RemoteAddr address);
  // Whether LLDB has its symbols from the very file that is mapped there.
  [[nodiscard]] bool lldb_has_file(const lldb::SBAddress& address, const Module& module) const;
  [[nodiscard]] std::optional<Error> moved_on() const;

  mutable lldb::SBTarget target_;
  mutable lldb::SBProcess process_;
  TargetKind kind_;
  std::uint64_t pid_;
  std::uint32_t stop_id_;
  bool local_;
  // A local live process through procfs: which files it has mapped, also in a container or chroot, where LLDB takes the
  // files of the same names here for them.
  std::unique_ptr<Target> native_;
  PageCache pages_;
  ModuleFiles files_;
  std::optional<std::vector<Module>> modules_;
};

}  // namespace hang::lldb_host
