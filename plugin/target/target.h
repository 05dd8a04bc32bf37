// Target: the one interface through which a debuggee is seen. A host (native, LLDB, GDB) is one class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace hang {

enum class TargetKind { live, core };

// One file-backed module (executable or shared object) of the target.
struct Module {
  std::string path;       // as the target sees it, for reports; may end in " (deleted)"
  std::string open_path;  // a path that opens the same file from here (/proc/PID/root/..., map_files); may equal path;
                          // empty if the file is gone
  RemoteAddr load_bias;   // add to an ELF virtual address to get a target address
  RemoteAddr begin, end;  // span of its mappings
};

// The general registers that say what a thread asked of the kernel. Present only where a debugger has them.
struct ThreadRegisters {
  std::uint64_t pc = 0, sp = 0;
  std::int64_t syscall = -1;                   // orig_rax; -1 = not in a system call
  bool syscall_known = true;                   // false: pc and sp only; the others say nothing
  std::uint64_t args[6] = {0, 0, 0, 0, 0, 0};  // rdi rsi rdx r10 r8 r9
  std::int64_t result = 0;                     // rax; what the kernel left there, where the number is not known
};

struct TargetThread {
  std::uint64_t tid = 0;
  std::optional<ThreadRegisters> registers;
  // Masks, bit n-1 = signal n; present only where the host has no /proc to ask, and knows.
  std::optional<std::uint64_t> blocked_signals{}, pending_signals{};
  // fs_base: what pthread_self() gives in the thread. Present only in cores of debuggers and the kernel.
  std::optional<std::uint64_t> thread_pointer{};
};

// What a core's notes say of its process.
struct TargetProcess {
  std::optional<std::int64_t> parent, group, session;
  bool died = false;  // the kernel wrote the core as a signal ended the process
};

// Something about the target itself that a reader of the report must know.
struct TargetFlaw {
  std::string what, why;
};

// Where a member lies inside a C struct, by the debugger's own debug information.
struct MemberLayout {
  std::uint64_t offset = 0, size = 0;
};

// A symbol that covers a code address.
struct CodeSymbol {
  std::string name, module;
  std::uint64_t offset = 0;
};

// One frame of a native stack.
struct StackFrame {
  std::uint64_t pc = 0;        // of the innermost frame, else the return address
  std::uint64_t function = 0;  // where the function begins, by a symbol or an unwind table; 0 = unknown
};

// One of many reads.
struct ReadRequest {
  RemoteAddr at;
  std::span<std::byte> out;
  std::size_t got = 0;
};

// What an implementation sees is one instant if stop_id() is unchanged; the native live host never stops its
// target, so there the id is always 0 and two reads may see different instants.
class Target {
 public:
  Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  virtual ~Target() = default;

  [[nodiscard]] virtual TargetKind kind() const = 0;
  // Pid of the process; 0 when unknown (a core without the note).
  [[nodiscard]] virtual std::uint64_t pid() const = 0;
  // True if /proc/PID on this machine is this target (live, same host).
  [[nodiscard]] virtual bool local() const = 0;
  // True if the host itself holds the target stopped (so a state of 't' is our doing).
  [[nodiscard]] virtual bool stopped_by_host() const = 0;
  // True if all that is read is of one moment: the process is held, or was while its core was written.
  [[nodiscard]] virtual bool one_instant() const { return stopped_by_host() || kind() == TargetKind::core; }

  // Reads into `out` from `address`. Returns the number of leading bytes that were really there (maybe fewer than
  // asked); fails with `unreadable` if the first byte is absent, `no_such_process`/`no_permission` as they are.
  virtual Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) = 0;

  // Many reads at once, for hosts where each costs; `got` of each request is the number of leading bytes that are
  // there.
  virtual void read_many(std::span<ReadRequest> requests);

  virtual Result<std::vector<Module>> modules() = 0;
  virtual Result<std::vector<TargetThread>> threads() = 0;

  // Address of a data or function symbol defined in `module` (index into modules()), from any symbol table.
  virtual Result<RemoteAddr> symbol(const Module& module, std::string_view name) = 0;
  // Offset and size of `path` ("ceval.gil") in struct `type` by debug information. `absent_field` if that type has
  // no such member, `no_symbols` if the host has no debug information at all (the native host never has).
  virtual Result<MemberLayout> member(std::string_view type, std::string_view path) = 0;
  // The symbol that covers code address `pc`.
  virtual Result<CodeSymbol> code_symbol(RemoteAddr pc) = 0;
  // The native stack of a thread that sleeps in the kernel, innermost first, as far as it can be walked: it may end
  // early. `no_symbols` if the host cannot walk stacks, `inconsistent` if the thread does not sleep.
  virtual Result<std::vector<StackFrame>> native_stack(std::uint64_t tid);

  // Of a target that is not local; empty if nothing is known.
  virtual TargetProcess process() { return {}; }
  // What is missing or wrong about the target as a whole (a truncated core, files that are not those it ran with).
  virtual std::vector<TargetFlaw> flaws() { return {}; }
  // Of the files that it had mapped, those that are not here, and how to name them, as the end of a sentence; "" if all
  // are.
  virtual std::string missing_files() { return {}; }
  // From now on threads have the numbers that `numbers` gives them for those that they have here. Of a core of a
  // process in a pid namespace, the notes of which have that namespace's numbers.
  virtual void renumber_threads(const std::map<std::uint64_t, std::uint64_t>& /*numbers*/) {}

  [[nodiscard]] virtual std::uint64_t stop_id() const = 0;
};

// Reads exactly out.size() bytes or fails with `unreadable` naming `field`.
Result<void> read_exact(Target& target, RemoteAddr address, std::span<std::byte> out, std::string_view field = {});

// Reads one trivially copyable value.
template <typename T>
Result<T> read_value(Target& target, RemoteAddr address, std::string_view field = {}) {
  T value{};
  auto done = read_exact(target, address, std::as_writable_bytes(std::span(&value, 1)), field);
  if (!done) return done.error();
  return value;
}

}  // namespace hang
