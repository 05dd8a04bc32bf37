#include "hosts/gdb/gdb_target.h"

#include <cstdio>
#include <unistd.h>

#include "hosts/core/core_target.h"
#include "hosts/gdb/mappings.h"
#include "hosts/native/native_target.h"

namespace hang::gdb_host {
namespace {

// Whether we, who live in GDB, trace PID: then /proc/PID is that process. A remote target's pid may exist here too.
bool traced_by_us(std::uint64_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/status";
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) return false;
  char line[256];
  long long tracer = 0;
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    if (std::sscanf(line, "TracerPid: %lld", &tracer) == 1) return tracer == getpid();
  }
  return false;
}

// Why the inferior cannot be looked at; "" if it can.
std::string unusable(const Debugger& debugger) {
  if (debugger.connection() == "core") return "";
  if (debugger.pid() == 0) return "no process: attach to one (attach PID) or load a core (core-file FILE)";
  if (debugger.connection().empty())
    return "this GDB is too old to tell a process from a core: GDB 12 or later is needed";
  if (debugger.running()) return "the process is running: stop it first (interrupt)";
  return "";
}

Result<std::unique_ptr<Target>> open_core_of(const Debugger& debugger) {
  if (debugger.core_file().empty())
    return Error{ErrorKind::io, "GDB does not tell which core file it has loaded: use `hang classify CORE` in a shell"};
  return core::open_core(
      {debugger.core_file(), debugger.executable(), debugger.sysroot(), "`file` or `set sysroot`, then load it again"});
}

}  // namespace

GdbTarget::GdbTarget(Debugger& debugger, TargetKind kind)
    : debugger_(&debugger),
      kind_(kind),
      pages_([this](RemoteAddr page, std::span<std::byte> out) { return debugger_->read(page.raw(), out); }),
      symbols_([this](std::uint64_t address, std::span<std::byte> out) {
        return read(RemoteAddr(address), out).value_or(0);
      }) {}

Result<std::unique_ptr<GdbTarget>> GdbTarget::open(Debugger& debugger) {
  if (std::string why = unusable(debugger); !why.empty()) return Error{ErrorKind::usage, std::move(why)};
  const bool core = debugger.connection() == "core";
  std::unique_ptr<GdbTarget> target(new GdbTarget(debugger, core ? TargetKind::core : TargetKind::live));
  if (core) {
    auto opened = open_core_of(debugger);
    if (!opened) return opened.error();
    target->here_ = std::move(*opened);
    return target;
  }
  target->local_ = debugger.connection() == "native" && traced_by_us(debugger.pid());
  if (!target->local_) return target;
  if (auto native = native::open_process(debugger.pid())) target->here_ = std::move(*native);
  return target;
}

// A live process is read through GDB only: where it has put a breakpoint it shows the program's own instruction.
Result<std::size_t> GdbTarget::read(RemoteAddr address, std::span<std::byte> out) {
  return in_core() ? here_->read(address, out) : pages_.read(address, out);
}

const std::vector<Module>& GdbTarget::module_list() {
  if (modules_) return *modules_;
  if (here_ != nullptr)
    if (auto mapped = here_->modules()) return modules_.emplace(std::move(*mapped));
  const auto said = debugger_->mappings();
  const auto read_memory = [this](std::uint64_t at, std::span<std::byte> out) {
    return read(RemoteAddr(at), out).value_or(0);
  };
  return modules_.emplace(modules_of(parse_mappings(said ? *said : ""), read_memory, debugger_->sysroot()));
}

// /proc/PID/task/TID/syscall has the system call of a local thread also while it is stopped, as on the command line.
Result<std::vector<TargetThread>> GdbTarget::threads() {
  if (in_core()) return here_->threads();
  auto threads = debugger_->threads();
  if (threads && local_) {
    for (auto& thread : *threads)
      if (thread.registers) thread.registers->syscall_known = false;
  }
  return threads;
}

Result<RemoteAddr> GdbTarget::symbol(const Module& module, std::string_view name) {
  return here_ != nullptr ? here_->symbol(module, name) : symbols_.symbol(module, name);
}

Result<MemberLayout> GdbTarget::member(std::string_view type, std::string_view path) {
  return debugger_->member(type, path);
}

// GDB's symbols come second: it may have a debug file for what is stripped. It reads files by their names, so it is not
// asked about a file that is gone.
Result<CodeSymbol> GdbTarget::code_symbol(RemoteAddr pc) {
  auto found = here_ != nullptr ? here_->code_symbol(pc) : symbols_.code_symbol(module_list(), pc);
  const Module* module = found ? nullptr : module_of(module_list(), pc);
  if (module == nullptr || module->open_path.empty()) return found;
  auto known = debugger_->symbol(pc.raw());
  if (!known) return found;
  known->module = module->path;
  return known;
}

Result<std::vector<StackFrame>> GdbTarget::native_stack(std::uint64_t tid) {
  if (here_ != nullptr) return here_->native_stack(tid);
  auto pcs = debugger_->stack(tid);
  if (!pcs) return pcs.error();
  std::vector<StackFrame> stack;
  // A return address may be that of the next function, after a call that does not return: the call is before it.
  for (const auto pc : *pcs)
    stack.push_back({pc, symbols_.function_begin(module_list(), RemoteAddr(pc - (stack.empty() ? 0 : 1)))});
  return stack;
}

std::vector<TargetFlaw> GdbTarget::flaws() {
  if (here_ != nullptr) return here_->flaws();
  return {};
}

}  // namespace hang::gdb_host
