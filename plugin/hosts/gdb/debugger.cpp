#include "hosts/gdb/debugger.h"

#include <algorithm>
#include <charconv>

namespace hang::gdb_host {
namespace {

// No process has more; a debugger that says so is wrong.
constexpr std::uint64_t kMaxThreads = 1 << 20;
// A process with every mapping the kernel allows by default (vm.max_map_count) has some 8 MiB.
constexpr std::uint64_t kMaxText = 64 << 20;
constexpr std::size_t kUsualText = 4096;
constexpr std::uint64_t kMaxFrames = 512;

std::string text_or_empty(const char* text) {
  return text != nullptr ? text : "";
}

// GDB's own default, which means: the files as the target sees them.
std::string local_sysroot(const std::string& sysroot) {
  return sysroot.starts_with("target:") ? sysroot.substr(7) : sysroot;
}

TargetThread thread_of(const hang_gdb_thread& from) {
  TargetThread thread;
  thread.tid = from.tid;
  if (from.has_registers == 0) return thread;
  auto& registers = thread.registers.emplace();
  registers.pc = from.pc;
  registers.sp = from.sp;
  registers.syscall = from.orig_rax < 0 ? -1 : from.orig_rax;
  registers.result = from.rax;
  std::copy(std::begin(from.args), std::end(from.args), std::begin(registers.args));
  return thread;
}

}  // namespace

std::string wrong_abi(const hang_gdb_debugger* debugger) {
  if (debugger != nullptr && debugger->abi == HANG_GDB_ABI && debugger->size == sizeof(hang_gdb_debugger)) return "";
  return "hang_gdb_host.py and libhang_gdb.so are of different versions: use those of one build, in one folder";
}

std::string core_in_target_info(std::string_view text) {
  // Local core dump file:
  //         `/tmp/core.1', file type elf64-x86-64.
  constexpr std::string_view kHeading = "Local core dump file:", kAfter = "', file type ";
  const auto heading = text.find(kHeading);
  if (heading == std::string_view::npos) return "";
  text.remove_prefix(heading + kHeading.size());
  const auto begin = text.find('`'), end = text.find(kAfter);
  if (begin == std::string_view::npos || end == std::string_view::npos || end <= begin) return "";
  return std::string(text.substr(begin + 1, end - begin - 1));
}

Result<CodeSymbol> parse_symbol(std::string_view text, std::uint64_t pc) {
  const Error none{ErrorKind::no_symbols, "GDB knows no symbol that covers this address", RemoteAddr(pc)};
  const auto section = text.find(" in section ");
  if (section == std::string_view::npos) return none;
  text = text.substr(0, section);
  CodeSymbol symbol;
  if (const auto plus = text.rfind(" + "); plus != std::string_view::npos) {
    const auto digits = text.substr(plus + 3);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), symbol.offset);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return none;
    text = text.substr(0, plus);
  }
  if (text.empty()) return none;
  symbol.name = text;
  return symbol;
}

Debugger::Debugger(const hang_gdb_debugger& from)
    : from_(&from),
      connection_(text_or_empty(from.connection)),
      core_file_(text_or_empty(from.core_file)),
      executable_(text_or_empty(from.executable)),
      sysroot_(local_sysroot(text_or_empty(from.sysroot))) {
  if (core_file_.empty()) core_file_ = core_in_target_info(text_or_empty(from.target_info));
}

Result<std::uint64_t> Debugger::count_of(std::int64_t returned, const char* what) {
  if (returned == HANG_GDB_INTERRUPTED) interrupted_ = true;
  if (interrupted_) return Error{ErrorKind::inconsistent, "interrupted"};
  if (returned <= 0) return Error{ErrorKind::unreadable, std::string("GDB does not tell the ") + what};
  return static_cast<std::uint64_t>(returned);
}

// Asked again where the first buffer is too small; what is longer than any such text can be is cut.
template <typename Fill>
Result<std::string> Debugger::text(Fill fill, const char* what) {
  std::string out(kUsualText, '\0');
  for (bool again = false;; again = true) {
    const auto length = count_of(interrupted_ ? std::int64_t{HANG_GDB_FAILED} : fill(out.data(), out.size()), what);
    if (!length) return length.error();
    const auto wanted = static_cast<std::size_t>(std::min(*length, kMaxText));
    const bool enough = again || wanted <= out.size();
    out.resize(enough ? std::min(wanted, out.size()) : wanted);
    if (enough) return out;
  }
}

Result<std::size_t> Debugger::read(std::uint64_t address, std::span<std::byte> out) {
  const bool callable = !interrupted_ && from_->read != nullptr;
  const auto returned = callable ? from_->read(from_->context, address, out.data(), out.size()) : 0;
  const auto count = count_of(returned, "memory");
  if (!count) return count.error();
  return std::min<std::size_t>(*count, out.size());
}

Result<std::vector<TargetThread>> Debugger::threads() {
  const bool callable = !interrupted_ && from_->threads != nullptr;
  const auto count = count_of(callable ? from_->threads(from_->context, nullptr, 0) : 0, "threads");
  if (!count) return count.error();
  std::vector<hang_gdb_thread> found(std::min(*count, kMaxThreads));
  const auto filled = count_of(from_->threads(from_->context, found.data(), found.size()), "threads");
  if (!filled) return filled.error();
  found.resize(std::min<std::size_t>(*filled, found.size()));
  std::vector<TargetThread> threads;
  for (const auto& thread : found)
    if (thread.tid != 0) threads.push_back(thread_of(thread));
  return threads;
}

Result<MemberLayout> Debugger::member(std::string_view type, std::string_view path) {
  const std::string type_text(type), path_text(path);
  std::uint64_t offset = 0, size = 0;
  const bool callable = !interrupted_ && from_->member != nullptr;
  const auto returned =
      callable ? from_->member(from_->context, type_text.c_str(), path_text.c_str(), &offset, &size) : 0;
  if (returned == HANG_GDB_ABSENT)
    return Error{ErrorKind::absent_field, type_text + " has no member " + path_text + " by debug information"};
  if (!count_of(returned, "type")) return Error{ErrorKind::no_symbols, "no debug information for " + type_text};
  return MemberLayout{offset, size};
}

Result<CodeSymbol> Debugger::symbol(std::uint64_t pc) {
  auto said = text(
      [&](char* out, std::uint64_t capacity) {
        return from_->symbol != nullptr ? from_->symbol(from_->context, pc, out, capacity) : 0;
      },
      "symbol");
  if (!said) return Error{ErrorKind::no_symbols, said.error().message, RemoteAddr(pc)};
  return parse_symbol(*said, pc);
}

Result<std::string> Debugger::mappings() {
  return text(
      [&](char* out, std::uint64_t capacity) {
        return from_->mappings != nullptr ? from_->mappings(from_->context, out, capacity) : 0;
      },
      "mappings");
}

Result<std::vector<std::uint64_t>> Debugger::stack(std::uint64_t tid) {
  std::vector<std::uint64_t> pcs(kMaxFrames);
  const bool callable = !interrupted_ && from_->stack != nullptr;
  const auto count = count_of(callable ? from_->stack(from_->context, tid, pcs.data(), pcs.size()) : 0, "stack");
  if (!count) return Error{ErrorKind::no_symbols, count.error().message};
  pcs.resize(std::min<std::size_t>(*count, pcs.size()));
  return pcs;
}

}  // namespace hang::gdb_host
