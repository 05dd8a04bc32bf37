#include "hosts/lldb/lldb_target.h"

#include <algorithm>
#include <climits>
#include <cstdio>
#include <dlfcn.h>
#include <map>
#include <memory>
#include <sys/stat.h>
#include <utility>

#include "hosts/core/core_file.h"
#include "hosts/native/native_target.h"

namespace hang::lldb_host {
namespace {

// No process has more; a hostile core could say so.
constexpr std::uint32_t kMaxThreads = 1 << 20;

TargetKind kind_of(lldb::SBProcess& process) {
  const char* name = process.GetPluginName();  // "gdb-remote"; "elf-core", "minidump"
  std::string_view plugin = name != nullptr ? name : "";
  bool core = plugin.find("core") != std::string_view::npos || plugin == "minidump";
  return core ? TargetKind::core : TargetKind::live;
}

// Whether some process traces PID on this machine. A remote target's pid may exist here too, but untraced.
bool traced_here(std::uint64_t pid) {
  std::string path = "/proc/" + std::to_string(pid) + "/status";
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) return false;
  char line[256];
  unsigned long long tracer = 0;
  while (std::fgets(line, sizeof line, file.get()) != nullptr) {
    if (std::sscanf(line, "TracerPid: %llu", &tracer) == 1) return tracer != 0;
  }
  return false;
}

bool is_local(lldb::SBTarget& target, TargetKind kind, std::uint64_t pid) {
  const char* platform = target.GetPlatform().GetName();
  return kind == TargetKind::live && platform != nullptr && std::string_view(platform) == "host" && traced_here(pid);
}

// SBProcess::GetCoreFile, which LLDB 14 to 16 do not have: looked up, so that the plugin still loads there.
std::string core_path(lldb::SBProcess& process) {
  using GetCoreFile = lldb::SBFileSpec (*)(lldb::SBProcess*);  // a member function takes `this` as its first argument
  void* found = dlsym(RTLD_DEFAULT, "_ZN4lldb9SBProcess11GetCoreFileEv");
  if (found == nullptr) return "";
  auto file = reinterpret_cast<GetCoreFile>(found)(&process);
  char path[PATH_MAX] = "";
  return file.IsValid() && file.GetPath(path, sizeof path) > 0 ? path : "";
}

// Frame 0 is the registers themselves: nothing is unwound, and 500 threads cost some 10 ms.
std::optional<ThreadRegisters> innermost_registers(lldb::SBThread& thread) {
  auto frame = thread.GetFrameAtIndex(0);
  if (!frame.IsValid() || frame.GetPC() == LLDB_INVALID_ADDRESS) return std::nullopt;
  ThreadRegisters registers;
  registers.pc = frame.GetPC();
  registers.sp = frame.GetSP();
  registers.syscall_known = false;
  return registers;
}

// The member `name` of `type`, also inside anonymous structs and unions. Offsets are in bytes.
std::optional<std::pair<std::uint64_t, lldb::SBType>> find_field(lldb::SBType type, std::string_view name, int depth) {
  type = type.GetCanonicalType();
  const std::uint32_t count = depth > 0 ? type.GetNumberOfFields() : 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto field = type.GetFieldAtIndex(i);
    const char* field_name = field.GetName();
    std::string_view found = field_name != nullptr ? field_name : "";
    if (found == name) return std::pair(field.GetOffsetInBytes(), field.GetType());
    if (!found.empty()) continue;
    if (auto inner = find_field(field.GetType(), name, depth - 1)) {
      inner->first += field.GetOffsetInBytes();
      return inner;
    }
  }
  return std::nullopt;
}

}  // namespace

LldbTarget::LldbTarget(const lldb::SBTarget& target, const lldb::SBProcess& process)
    : target_(target),
      process_(process),
      kind_(kind_of(process_)),
      pid_(process_.GetProcessID()),
      stop_id_(process_.GetStopID()),
      local_(is_local(target_, kind_, pid_)),
      pages_([this](RemoteAddr page, std::span<std::byte> out) { return fetch(page, out); }),
      files_([this](RemoteAddr address, std::span<std::byte> out) {
        lldb::SBError error;
        return read_memory(address, out, error);
      }) {
  if (pid_ == LLDB_INVALID_PROCESS_ID) pid_ = 0;
  if (!local_) return;
  if (auto native = native::open_process(pid_)) native_ = std::move(*native);
}

bool LldbTarget::one_instant() const {
  if (kind_ != TargetKind::core) return true;
  auto core = core::CoreFile::open(core_path(process_));
  return !core || !(*core)->notes().copied_running;
}

std::optional<Error> LldbTarget::moved_on() const {
  auto state = process_.GetState();
  bool stopped = state == lldb::eStateStopped || state == lldb::eStateCrashed || state == lldb::eStateSuspended;
  if (stopped && process_.GetStopID() == stop_id_) return std::nullopt;
  if (stopped || state == lldb::eStateRunning || state == lldb::eStateStepping) {
    return Error{ErrorKind::inconsistent, "the process was resumed in the debugger while it was read"};
  }
  return Error{ErrorKind::no_such_process, "the process ended or was detached while it was read"};
}

// ReadMemory and its count only: other SBProcess readers report success for memory that a core does not have.
std::size_t LldbTarget::read_memory(RemoteAddr address, std::span<std::byte> out, lldb::SBError& error) {
  std::size_t count = process_.ReadMemory(address.raw(), out.data(), out.size(), error);
  return std::min(count, out.size());
}

std::size_t LldbTarget::read_file(RemoteAddr address, std::span<std::byte> out) {
  const Module* module = module_of(address);
  auto file = module != nullptr ? files_.open(*module) : Error{ErrorKind::unreadable, ""};
  if (!file) return 0;
  const std::uint64_t at = address.raw() - module->load_bias.raw();
  for (const auto& segment : (*file)->segments()) {
    // A writable mapping has changed since it was read from the file: absent is all that can be said about it.
    if (segment.writable || at < segment.address || at - segment.address >= segment.file_size) continue;
    auto wanted = std::min<std::uint64_t>(out.size(), segment.file_size - (at - segment.address));
    return (*file)->read(at, out.first(wanted)) ? wanted : 0;
  }
  return 0;
}

Result<std::size_t> LldbTarget::fetch(RemoteAddr page, std::span<std::byte> out) {
  if (auto error = moved_on()) return *error;
  lldb::SBError lldb_error;
  std::size_t count = read_memory(page, out, lldb_error);
  // In asynchronous mode the public state lags behind until somebody takes the event; SBProcess' run lock does not.
  const char* message = count == 0 ? lldb_error.GetCString() : nullptr;
  if (message != nullptr && std::string_view(message) == "process is running") {
    return Error{ErrorKind::inconsistent, "the process is running: stop it first (process interrupt)"};
  }
  if (count == 0 && kind_ == TargetKind::core) count = read_file(page, out);
  return count;
}

const std::vector<Module>& LldbTarget::module_list() {
  if (modules_) return *modules_;
  if (native_ != nullptr)
    if (auto mapped = native_->modules()) return modules_.emplace(std::move(*mapped));
  return modules_.emplace(list_modules(target_, local_ ? "/proc/" + std::to_string(pid_) + "/root" : ""));
}

const Module* LldbTarget::module_of(RemoteAddr address) {
  for (const auto& module : module_list()) {
    if (module.begin <= address && address < module.end) return &module;
  }
  return nullptr;
}

Result<std::vector<Module>> LldbTarget::modules() {
  if (auto error = moved_on()) return *error;
  return module_list();
}

Result<std::vector<TargetThread>> LldbTarget::threads() {
  if (auto error = moved_on()) return *error;
  std::map<std::uint64_t, TargetThread> in_notes;
  if (kind_ == TargetKind::core) {
    if (auto core = core::CoreFile::open(core_path(process_)))
      for (const auto& thread : (*core)->notes().threads) in_notes.emplace(thread.tid, thread);
  }
  std::vector<TargetThread> threads;
  const std::uint32_t count = std::min(process_.GetNumThreads(), kMaxThreads);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto from = process_.GetThreadAtIndex(i);
    TargetThread thread;
    thread.tid = from.GetThreadID();
    if (auto found = in_notes.find(thread.tid); found != in_notes.end()) thread = found->second;
    if (local_) thread.registers = innermost_registers(from);
    threads.push_back(thread);
  }
  return threads;
}

Result<RemoteAddr> LldbTarget::symbol(const Module& module, std::string_view name) {
  if (native_ != nullptr && module.open_path.empty()) return native_->symbol(module, name);
  auto file = files_.open(module);
  if (!file) return file.error();
  auto found = (*file)->symbol(name);
  if (!found) return found.error();
  return module.load_bias.field(found->address);
}

Result<MemberLayout> LldbTarget::member(std::string_view type, std::string_view path) {
  // Declarations inside structs are not followed deeper than any C struct nests.
  constexpr int kMaxDepth = 16;
  auto current = target_.FindFirstType(std::string(type).c_str());
  if (!current.IsValid() || current.GetCanonicalType().GetNumberOfFields() == 0) {
    return Error{ErrorKind::no_symbols, "no debug information for " + std::string(type)};
  }
  MemberLayout layout;
  while (!path.empty()) {
    auto dot = std::min(path.find('.'), path.size());
    auto field = find_field(current, path.substr(0, dot), kMaxDepth);
    if (!field) {
      return Error{ErrorKind::absent_field,
                   std::string(type) + " has no member " + std::string(path.substr(0, dot)) + " by debug information"};
    }
    layout.offset += field->first;
    layout.size = field->second.GetByteSize();
    current = field->second;
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return layout;
}

bool LldbTarget::lldb_has_file(const lldb::SBAddress& address, const Module& module) const {
  char path[PATH_MAX] = "";
  struct stat theirs {
  }, ours{};
  auto from = address;
  if (from.GetModule().GetFileSpec().GetPath(path, sizeof path) == 0) return false;
  return stat(path, &theirs) == 0 && stat(module.open_path.c_str(), &ours) == 0 && theirs.st_ino == ours.st_ino &&
         theirs.st_dev == ours.st_dev;
}

Result<CodeSymbol> LldbTarget::code_symbol(RemoteAddr pc) {
  const Module* module = module_of(pc);
  if (module == nullptr) return Error{ErrorKind::no_symbols, "no module there", pc};
  auto address = target_.ResolveLoadAddress(pc.raw());
  if (native_ != nullptr && !lldb_has_file(address, *module)) return native_->code_symbol(pc);
  auto symbol = address.GetSymbol();  // the symbol table; no debug information
  const char* name = symbol.IsValid() && !symbol.IsSynthetic() ? symbol.GetName() : nullptr;
  // Not called synthetic by every LLDB: a function made out of unwind tables.
  if (name != nullptr && std::string_view(name).starts_with("___lldb_unnamed_symbol")) name = nullptr;
  if (name == nullptr) return Error{ErrorKind::no_symbols, "no symbol covers this address", pc};
  auto start = symbol.GetStartAddress().GetLoadAddress(target_);
  if (start == LLDB_INVALID_ADDRESS || start > pc.raw()) return Error{ErrorKind::no_symbols, "no symbol there", pc};
  return CodeSymbol{name, module->path, pc.raw() - start};
}

// By the unwind table of the file, as on the command line; LLDB has no symbol for what was stripped.
std::uint64_t LldbTarget::function_begin(RemoteAddr pc, lldb::SBFrame& frame) {
  if (const Module* module = module_of(pc)) {
    auto file = files_.open(*module);
    const std::uint64_t bias = module->load_bias.raw();
    if (file)
      if (auto begin = (*file)->function_begin(pc.raw() - bias)) return *begin + bias;
  }
  auto symbol = frame.GetSymbol();
  const auto begin = symbol.IsValid() ? symbol.GetStartAddress().GetLoadAddress(target_) : LLDB_INVALID_ADDRESS;
  return begin == LLDB_INVALID_ADDRESS ? 0 : begin;
}

Result<std::vector<StackFrame>> LldbTarget::native_stack(std::uint64_t tid) {
  constexpr std::uint32_t kMaxFrames = 512;
  if (auto error = moved_on()) return *error;
  // The same walk as the command line's, so that both say the same; a core has only LLDB's.
  if (native_ != nullptr) return native_->native_stack(tid);
  auto thread = process_.GetThreadByID(tid);
  if (!thread.IsValid()) return Error{ErrorKind::no_such_process, "no such thread"};
  std::vector<StackFrame> stack;
  for (std::uint32_t i = 0; i < kMaxFrames; ++i) {
    auto frame = thread.GetFrameAtIndex(i);  // unwinds only as far as asked
    if (!frame.IsValid()) break;
    if (frame.IsInlined()) continue;
    stack.push_back({frame.GetPC(), function_begin(RemoteAddr(frame.GetPC() - (stack.empty() ? 0 : 1)), frame)});
  }
  if (stack.empty()) return Error{ErrorKind::no_symbols, "LLDB finds no frame"};
  return stack;
}

}  // namespace hang::lldb_host
