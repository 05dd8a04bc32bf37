#include "hosts/core/core_target.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "hosts/core/core_file.h"
#include "hosts/core/core_modules.h"
#include "hosts/core/decompress.h"
#include "hosts/native/unwinder.h"
#include "target/symbol_files.h"

namespace hang::core {
namespace {

class CoreTarget final : public Target {
 public:
  CoreTarget(std::unique_ptr<CoreFile> file, const CoreOptions& options, std::optional<std::string> flaw)
      : file_(std::move(file)),
        found_(find_modules(*file_, options)),
        flaw_(std::move(flaw)),
        naming_(options.naming) {}

  [[nodiscard]] TargetKind kind() const override { return TargetKind::core; }
  [[nodiscard]] std::uint64_t pid() const override { return file_->notes().pid; }
  [[nodiscard]] bool local() const override { return false; }
  [[nodiscard]] bool stopped_by_host() const override { return false; }
  [[nodiscard]] bool one_instant() const override { return !file_->notes().copied_running; }
  [[nodiscard]] std::uint64_t stop_id() const override { return 0; }
  TargetProcess process() override;
  std::vector<TargetFlaw> flaws() override;
  std::string missing_files() override;
  void renumber_threads(const std::map<std::uint64_t, std::uint64_t>& numbers) override;

  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) override;
  Result<std::vector<Module>> modules() override { return found_.modules; }
  Result<std::vector<TargetThread>> threads() override { return thread_list(); }
  Result<RemoteAddr> symbol(const Module& module, std::string_view name) override {
    return symbols_.symbol(module, name);
  }
  Result<MemberLayout> member(std::string_view type, std::string_view path) override;
  Result<CodeSymbol> code_symbol(RemoteAddr pc) override { return symbols_.code_symbol(found_.modules, pc); }
  Result<std::vector<StackFrame>> native_stack(std::uint64_t tid) override;

 private:
  void infer_syscall(TargetThread& thread);
  std::optional<std::uint64_t> number_on_stack(const TargetThread& thread, std::span<const std::uint8_t, 7> code);
  Result<std::vector<std::uint64_t>> walk(const TargetThread& thread);
  std::vector<TargetThread>& thread_list();
  std::size_t read_program(std::uint64_t address, std::span<std::byte> out);

  std::unique_ptr<CoreFile> file_;
  CoreModules found_;
  std::optional<std::string> flaw_;  // of the compressed file that it was unpacked from
  std::string naming_;
  std::optional<std::vector<TargetThread>> threads_;
  SymbolFiles symbols_{
      [this](std::uint64_t address, std::span<std::byte> out) { return read(RemoteAddr(address), out).value_or(0); }};
  std::unique_ptr<native::Unwinder> unwinder_;  // made when first asked for
};

// Memory that the core leaves out because it is as in the file: only of a file that is the one that was mapped, and
// never of what is writable there, nor of what the dynamic linker wrote before it made it read-only (PT_GNU_RELRO lies
// in a writable segment of the file).
std::size_t CoreTarget::read_program(std::uint64_t address, std::span<std::byte> out) {
  const CoreSegment* segment_in_core = file_->segment_at(address);
  const Module* module = module_of(found_.modules, RemoteAddr(address));
  const MappedFile* mapped = file_->mapped_at(address);
  if (mapped == nullptr || module == nullptr || module->open_path.empty()) return 0;
  if (segment_in_core != nullptr && segment_in_core->writable) return 0;
  auto file = symbols_.open(*module);
  if (!file) return 0;
  const std::uint64_t at = address - module->load_bias.raw();
  for (const ElfSegment& segment : (*file)->segments()) {
    if (segment.writable || at < segment.address || at - segment.address >= segment.file_size) continue;
    const auto wanted =
        std::min({std::uint64_t{out.size()}, segment.file_size - (at - segment.address), mapped->end - address});
    return (*file)->read(at, out.first(wanted)) ? wanted : 0;
  }
  return 0;
}

Result<std::size_t> CoreTarget::read(RemoteAddr address, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto at = address.plus(done);
    if (!at) break;
    std::size_t count = file_->read(at->raw(), out.subspan(done));
    if (count == 0) count = read_program(at->raw(), out.subspan(done));
    if (count == 0) break;
    done += count;
  }
  if (done == 0 && !out.empty()) {
    const bool cut_off = file_->flaws().missing > 0;
    return Error{ErrorKind::unreadable,
                 cut_off ? "the core is cut off and does not have this memory" : "the core does not have this memory",
                 address};
  }
  return done;
}

// After an earlier stop (a debugger's, SIGSTOP) a wait goes on as restart_syscall; which one it was, the code tells.
constexpr std::int64_t kRestartSyscall = 219;

// The number behind six arguments is on the stack, for glibc 2.41 and later make all calls that a thread can be
// cancelled in through two functions that are given it so (nptl/cancellation.c, sysdeps/unix/sysv/linux/x86_64/
// syscall_cancel.S). In a thread that is alone __internal_syscall_cancel makes the call itself and loads the number
// into rax just before; else it calls __syscall_cancel_arch, where no register keeps it. But it lies above the address
// that __internal_syscall_cancel returns to, which is that of the third frame.
std::optional<std::uint64_t> CoreTarget::number_on_stack(const TargetThread& thread,
                                                         std::span<const std::uint8_t, 7> code) {
  constexpr std::uint8_t kLoadFromStack[] = {0x48, 0x8b, 0x44, 0x24};    // mov DISPLACEMENT(%rsp), %rax
  constexpr std::uint8_t kEndOfArch[] = {0x4c, 0x89, 0x5c, 0x24, 0x08};  // mov %r11, 8(%rsp): only there
  constexpr std::size_t kMostWords = 32;
  const std::uint64_t sp = thread.registers->sp;
  if (std::equal(std::begin(kLoadFromStack), std::end(kLoadFromStack), code.begin())) {
    const auto number = code[4] < 0x80 ? read_value<std::uint64_t>(*this, RemoteAddr(sp + code[4]))
                                       : Result<std::uint64_t>(Error{ErrorKind::unreadable, "below the stack"});
    return number.to_optional();
  }
  if (!std::equal(std::begin(kEndOfArch), std::end(kEndOfArch), code.begin())) return std::nullopt;
  const auto frames = walk(thread);
  if (!frames || frames->size() < 3) return std::nullopt;
  std::array<std::uint64_t, kMostWords> words{};
  const auto got = read(RemoteAddr(sp), std::as_writable_bytes(std::span(words))).value_or(0) / sizeof words[0];
  const auto end = words.begin() + static_cast<std::ptrdiff_t>(got);
  const auto place = std::find(words.begin(), end, (*frames)[2]);
  return place == end || place + 1 == end ? std::nullopt : std::optional(place[1]);
}

// A minidump does not tell the number. A thread that was interrupted in a system call stands behind the instruction
// that made it, with what the kernel left for the restart in rax (ERESTARTSYS and its kin, include/linux/errno.h); the
// number is in the instruction before, where that is `mov $NUMBER, %eax`, or on the stack. The kernel leaves the
// arguments in their registers.
void CoreTarget::infer_syscall(TargetThread& thread) {
  constexpr std::int64_t kFirstRestart = -516, kLastRestart = -512, kInterrupted = -4;
  constexpr std::uint8_t kMoveToEax = 0xb8, kSyscall[2] = {0x0f, 0x05};
  constexpr std::uint64_t kMostNumbers = 512;  // of x86-64; behind them are those of x32
  ThreadRegisters& registers = *thread.registers;
  std::array<std::uint8_t, 7> code{};
  if (registers.pc < code.size() ||
      !read_exact(*this, RemoteAddr(registers.pc - code.size()), std::as_writable_bytes(std::span(code))))
    return;
  const bool restarts =
      (registers.result >= kFirstRestart && registers.result <= kLastRestart) || registers.result == kInterrupted;
  if (!restarts || code[5] != kSyscall[0] || code[6] != kSyscall[1]) return;
  std::uint32_t constant = 0;
  std::memcpy(&constant, code.data() + 1, sizeof constant);
  const auto number = code[0] == kMoveToEax ? std::optional<std::uint64_t>(constant) : number_on_stack(thread, code);
  if (!number || *number >= kMostNumbers || *number == kRestartSyscall) return;
  registers.syscall = static_cast<std::int64_t>(*number);
  registers.syscall_known = true;
}

std::vector<TargetThread>& CoreTarget::thread_list() {
  if (threads_) return *threads_;
  threads_ = file_->notes().threads;
  for (TargetThread& thread : *threads_)
    if (thread.registers && (!thread.registers->syscall_known || thread.registers->syscall == kRestartSyscall))
      infer_syscall(thread);
  return *threads_;
}

void CoreTarget::renumber_threads(const std::map<std::uint64_t, std::uint64_t>& numbers) {
  for (TargetThread& thread : thread_list())
    if (const auto found = numbers.find(thread.tid); found != numbers.end()) thread.tid = found->second;
}

Result<MemberLayout> CoreTarget::member(std::string_view type, std::string_view path) {
  return Error{
      ErrorKind::no_symbols, "the native host reads no debug information", {}, fmt::format("{}.{}", type, path)};
}

Result<std::vector<std::uint64_t>> CoreTarget::walk(const TargetThread& thread) {
  if (!unwinder_)
    unwinder_ = std::make_unique<native::Unwinder>(
        found_.modules,
        [this](std::uint64_t address, std::span<std::byte> out) { return read(RemoteAddr(address), out).value_or(0); });
  return unwinder_->walk(thread.tid, thread.registers->pc, thread.registers->sp);
}

Result<std::vector<StackFrame>> CoreTarget::native_stack(std::uint64_t tid) {
  const auto& threads = thread_list();
  const auto thread = std::find_if(threads.begin(), threads.end(), [&](const auto& t) { return t.tid == tid; });
  if (thread == threads.end() || !thread->registers)
    return Error{ErrorKind::no_symbols, fmt::format("the core has no registers of thread {}", tid)};
  auto frames = walk(*thread);
  if (!frames) return frames.error();
  std::vector<StackFrame> stack;
  // A return address may be that of the next function, after a call that does not return: the call is before it.
  for (const auto address : *frames)
    stack.push_back({address, symbols_.function_begin(found_.modules, RemoteAddr(address - (stack.empty() ? 0 : 1)))});
  return stack;
}

// "a, b, c and 4 more"
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kMost ? fmt::format("{} and {} more", text, names.size() - kMost) : text;
}

TargetProcess CoreTarget::process() {
  auto process = file_->notes().process;
  process.died = file_->notes().by_kernel && !file_->notes().copied_running;
  return process;
}

std::vector<TargetFlaw> CoreTarget::flaws() {
  std::vector<TargetFlaw> list;
  const auto& flaws = file_->flaws();
  if (flaw_) list.push_back({"memory", *flaw_});
  if (flaws.missing > 0)
    list.push_back({"memory", fmt::format("the core is cut off: {} bytes are missing", flaws.missing)});
  if (file_->notes().copied_running)
    list.push_back({"memory of one moment", "hang snapshot copied it while the process ran"});
  if (flaws.overlapping) list.push_back({"memory", "segments of the core overlap; the first one was believed"});
  if (file_->notes().incomplete) list.push_back({"threads and files", *file_->notes().incomplete});
  std::vector<std::string> foreign, absent;
  for (const MissingFile& file : found_.missing) (file.other.empty() ? absent : foreign).push_back(file.path);
  if (!foreign.empty())
    list.push_back({"symbols of " + some_of(foreign),
                    "what has that name here is another build (another build id): name the right one with " + naming_});
  if (!absent.empty())
    list.push_back({"symbols of " + some_of(absent), "the file is not here: name where it is with " + naming_});
  if (!found_.unproven.empty())
    list.push_back({"whether the files are those that the process ran with: " + some_of(found_.unproven),
                    "the core does not have their build ids; they fit by the layout of their segments"});
  return list;
}

std::string with_build_id(const std::string& path, const std::string& id) {
  return id.empty() ? path : fmt::format("{} (build id {})", path, id);
}

// What may have CPython in it comes first: the executable and what is named like a libpython.
std::string CoreTarget::missing_files() {
  const auto likely = [](const MissingFile* file) {
    const auto name = std::string_view(file->path).substr(file->path.rfind('/') + 1);
    return file->executable || name.starts_with("libpython");
  };
  std::vector<const MissingFile*> files;
  for (const MissingFile& file : found_.missing) files.push_back(&file);
  if (files.empty()) return {};
  std::stable_partition(files.begin(), files.end(), likely);
  std::vector<std::string> texts;
  for (const MissingFile* file : files) {
    const std::string name = file->other == file->path ? "the file of that name here" : file->other;
    texts.push_back(
        with_build_id(file->path, file->build_id) +
        (file->other.empty() ? " is not here" : " is another build than " + with_build_id(name, file->other_id)));
  }
  return fmt::format("{}: name the right files with {}", some_of(texts), naming_);
}

Result<std::unique_ptr<CoreFile>> open_file(const std::string& path, std::optional<std::string>& flaw) {
  const auto compression = compression_of(path);
  if (compression == Compression::none) return CoreFile::open(path);
  auto unpacked = unpack(path, compression);
  if (!unpacked) return unpacked.error();
  flaw = std::move(unpacked->flaw);
  return CoreFile::open_fd(unpacked->fd, path);
}

}  // namespace

Result<std::unique_ptr<Target>> open_core(const CoreOptions& options) {
  std::optional<std::string> flaw;
  auto file = open_file(options.path, flaw);
  if (!file) return file.error();
  return std::unique_ptr<Target>(std::make_unique<CoreTarget>(std::move(*file), options, std::move(flaw)));
}

}  // namespace hang::core
