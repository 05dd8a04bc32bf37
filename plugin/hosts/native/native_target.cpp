#include "hosts/native/native_target.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hosts/native/memory_map.h"
#include "hosts/native/process_status.h"
#include "hosts/native/unwinder.h"
#include "target/symbol_files.h"

namespace hang::native {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kMaxThreads = 1U << 20;

// A file descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(-1); }
  void reset(int fd) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

class NativeTarget final : public Target {
 public:
  explicit NativeTarget(std::uint64_t pid) : pid_(pid) {}

  // Takes hold of the process and proves that its memory may be read.
  Result<void> open();

  [[nodiscard]] TargetKind kind() const override { return TargetKind::live; }
  [[nodiscard]] std::uint64_t pid() const override { return pid_; }
  [[nodiscard]] bool local() const override { return true; }
  [[nodiscard]] bool stopped_by_host() const override { return false; }
  [[nodiscard]] std::uint64_t stop_id() const override { return 0; }

  Result<std::size_t> read(RemoteAddr address, std::span<std::byte> out) override;
  void read_many(std::span<ReadRequest> requests) override;
  // As they were when first asked for: what is loaded later is not seen.
  Result<std::vector<Module>> modules() override;
  Result<std::vector<TargetThread>> threads() override;
  Result<RemoteAddr> symbol(const Module& module, std::string_view name) override;
  Result<MemberLayout> member(std::string_view type, std::string_view path) override;
  Result<CodeSymbol> code_symbol(RemoteAddr pc) override;
  Result<std::vector<StackFrame>> native_stack(std::uint64_t tid) override;

 private:
  [[nodiscard]] std::string proc(std::string_view name) const { return fmt::format("/proc/{}/{}", pid_, name); }
  [[nodiscard]] Error ended_error() const {
    return Error{ErrorKind::no_such_process, fmt::format("process {} ended while it was read", pid_)};
  }
  [[nodiscard]] bool ended() const;
  ssize_t read_some(std::uint64_t address, std::span<std::byte> out);
  Result<std::vector<MappedModule>> find_modules();
  [[nodiscard]] std::string open_path_of(const MappedModule& found, const std::string& executable) const;

  std::uint64_t pid_;
  Fd process_;  // pidfd: while it is not readable, the pid is still this process
  unsigned reads_ = 0;
  Fd memory_;  // /proc/PID/mem, only where process_vm_readv is not to be had
  std::optional<std::vector<Module>> modules_;
  SymbolFiles symbols_{
      [this](std::uint64_t address, std::span<std::byte> out) { return read(RemoteAddr(address), out).value_or(0); }};
  std::unique_ptr<Unwinder> unwinder_;  // made when first asked for
};

Result<void> NativeTarget::open() {
  // The pid is held before anything is asked about it, so that all answers are about one process. Kernels before 5.3
  // have no pidfd; there the answers are only as good as the pid.
  process_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0U)));
  if (auto debuggable = check_debuggable(pid_); !debuggable) return debuggable.error();
  auto found = modules();
  if (!found) return found.error().kind == ErrorKind::no_permission ? permission_error(pid_) : found.error();
  return {};
}

bool NativeTarget::ended() const {
  pollfd end{process_.get(), POLLIN, 0};
  return process_.get() >= 0 && poll(&end, 1, 0) > 0;
}

// One attempt; the number of bytes, or -1 and errno.
ssize_t NativeTarget::read_some(std::uint64_t address, std::span<std::byte> out) {
  if (memory_.get() < 0) {
    iovec ours{out.data(), out.size()};
    iovec theirs{reinterpret_cast<void*>(address), out.size()};  // NOLINT: an address of the target, not followed here
    const ssize_t count = process_vm_readv(static_cast<pid_t>(pid_), &ours, 1, &theirs, 1, 0);
    if (count >= 0 || (errno != EPERM && errno != ENOSYS)) return count;
    // A container's seccomp filter may forbid the call (EPERM) while procfs allows the same thing.
    const int error = errno;
    memory_.reset(::open(proc("mem").c_str(), O_RDONLY | O_CLOEXEC));
    if (memory_.get() < 0) {
      errno = errno == EACCES ? EPERM : error;
      return -1;
    }
  }
  return pread(memory_.get(), out.data(), out.size(), static_cast<off_t>(address));
}

Result<std::size_t> NativeTarget::read(RemoteAddr address, std::span<std::byte> out) {
  std::size_t done = 0;
  int error = 0;
  while (done < out.size()) {
    const auto at = address.plus(done);
    if (!at) break;
    auto rest = out.subspan(done);
    ssize_t count = read_some(at->raw(), rest);
    // The kernel may refuse a whole request for one missing page (man 2 process_vm_readv, "Partial transfers"): ask
    // for what is left of this page alone.
    const std::uint64_t in_page = kPage - at->raw() % kPage;
    if (count <= 0 && rest.size() > in_page) count = read_some(at->raw(), rest.first(in_page));
    if (count <= 0) {
      error = count < 0 ? errno : 0;
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  // After the read and not before: as long as the process lives now, it lived while it was read. A process that has
  // given its memory back reads as empty (/proc/PID/mem) or absent.
  // Whole reads are looked after only now and then: a pid is not given to another process that soon.
  constexpr unsigned kReadsPerLook = 32;
  const bool look = done < out.size() || ++reads_ % kReadsPerLook == 0;
  if (error == ESRCH || (look && ended())) return ended_error();
  if (done > 0 || out.empty()) return done;
  if (error == EPERM || error == EACCES) return permission_error(pid_);
  return Error{ErrorKind::unreadable, fmt::format("no memory there in process {}", pid_), address};
}

void NativeTarget::read_many(std::span<ReadRequest> requests) {
  constexpr std::size_t kMost = 512;  // IOV_MAX is 1024
  while (!requests.empty() && memory_.get() < 0) {
    std::vector<iovec> ours, theirs;
    for (const auto& request : requests.first(std::min(requests.size(), kMost))) {
      ours.push_back({request.out.data(), request.out.size()});
      theirs.push_back({reinterpret_cast<void*>(request.at.raw()), request.out.size()});  // NOLINT: not followed here
    }
    auto left = process_vm_readv(static_cast<pid_t>(pid_), ours.data(), ours.size(), theirs.data(), theirs.size(), 0);
    if (left < 0 && (errno == EPERM || errno == ENOSYS || errno == ESRCH)) break;  // read() knows what to do
    if (left < 0) left = 0;
    // It ends at the first piece that is not there: that one stays unread, and the next call goes on behind it.
    std::size_t done = 0;
    for (; done < ours.size() && static_cast<std::size_t>(left) >= ours[done].iov_len; ++done) {
      requests[done].got = ours[done].iov_len;
      left -= static_cast<ssize_t>(ours[done].iov_len);
    }
    if (done < ours.size()) ++done;
    requests = requests.subspan(done);
  }
  Target::read_many(requests);
}

Result<std::vector<MappedModule>> NativeTarget::find_modules() {
  auto text = read_proc_file(proc("maps"));
  if (!text) return text.error();
  const auto mappings = parse_maps(*text);
  if (mappings.empty()) return ended_error();  // exit_mm() has run
  std::vector<std::vector<std::byte>> heads(mappings.size());
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    if (!may_begin_module(mappings[i])) continue;
    heads[i].resize(kHeadBytes);
    auto count = read(RemoteAddr(mappings[i].begin), heads[i]);
    if (!count && count.error().kind != ErrorKind::unreadable) return count.error();
    heads[i].resize(count.value_or(0));
  }
  return group_modules(mappings, heads);
}

// A path that opens the mapped file itself: it may have been replaced or deleted, or lie in another mount namespace.
// Empty if there is none.
std::string NativeTarget::open_path_of(const MappedModule& found, const std::string& executable) const {
  std::string in_root = proc("root") + found.module.path;
  struct stat status {};
  // Not the device: btrfs and overlayfs show another one in maps than stat does.
  if (stat(in_root.c_str(), &status) == 0 && status.st_ino == found.head.inode) return in_root;
  if (found.module.path == executable) return proc("exe");
  // Following these links takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN (proc(5)).
  std::string by_range = proc("map_files/") + found.head.range;
  if (stat(by_range.c_str(), &status) == 0) return by_range;
  // What has that name now is another file, say of an upgrade: its symbols would be believed.
  return {};
}

Result<std::vector<Module>> NativeTarget::modules() {
  if (modules_) return *modules_;
  auto found = find_modules();
  if (!found) return found.error();
  std::string executable(kPage, '\0');
  const ssize_t length = readlink(proc("exe").c_str(), executable.data(), executable.size());
  executable.resize(static_cast<std::size_t>(length > 0 ? length : 0));
  // The executable comes first, as in the dynamic linker's own list: its definitions win.
  std::stable_partition(found->begin(), found->end(),
                        [&](const MappedModule& module) { return module.module.path == executable; });
  auto& modules = modules_.emplace();
  for (const MappedModule& module : *found) {
    modules.push_back(module.module);
    modules.back().open_path = open_path_of(module, executable);
  }
  return modules;
}

Result<std::vector<TargetThread>> NativeTarget::threads() {
  std::vector<TargetThread> threads;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(proc("task").c_str()), closedir);
  if (!folder) return errno == EACCES ? permission_error(pid_) : ended_error();
  while (const dirent* entry = readdir(folder.get())) {
    std::uint64_t tid = 0;
    const char* const end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, tid).ptr != end) continue;  // "." and ".."
    if (threads.size() >= kMaxThreads) return Error{ErrorKind::budget, "more threads than any real process has"};
    threads.push_back({tid, std::nullopt});
  }
  if (threads.empty() || ended()) return ended_error();
  return threads;
}

Result<RemoteAddr> NativeTarget::symbol(const Module& module, std::string_view name) {
  return symbols_.symbol(module, name);
}

Result<MemberLayout> NativeTarget::member(std::string_view type, std::string_view path) {
  return Error{
      ErrorKind::no_symbols, "the native host reads no debug information", {}, fmt::format("{}.{}", type, path)};
}

Result<CodeSymbol> NativeTarget::code_symbol(RemoteAddr pc) {
  auto all = modules();
  if (!all) return all.error();
  return symbols_.code_symbol(*modules_, pc);
}

// "NR A0 .. A5 SP PC" of /proc/PID/task/TID/syscall; "running" has no numbers to give.
Result<std::vector<StackFrame>> NativeTarget::native_stack(std::uint64_t tid) {
  auto text = read_proc_file(proc(fmt::format("task/{}/syscall", tid)));
  if (!text) return text.error();
  std::uint64_t sp = 0, pc = 0;
  const auto last = text->rfind(" 0x"), before = last == std::string::npos ? last : text->rfind(" 0x", last - 1);
  if (before == std::string::npos) return Error{ErrorKind::inconsistent, fmt::format("thread {} does not sleep", tid)};
  const char* const end = text->data() + text->size();
  std::from_chars(text->data() + before + 3, end, sp, 16);
  std::from_chars(text->data() + last + 3, end, pc, 16);
  auto all = modules();
  if (!all) return all.error();
  if (!unwinder_)
    unwinder_ = std::make_unique<Unwinder>(*all, [this](std::uint64_t address, std::span<std::byte> out) {
      return static_cast<std::size_t>(std::max<ssize_t>(read_some(address, out), 0));
    });
  auto frames = unwinder_->walk(tid, pc, sp);
  if (!frames) return frames.error();
  std::vector<StackFrame> stack;
  // A return address may be that of the next function, after a call that does not return: the call is before it.
  for (const auto address : *frames)
    stack.push_back({address, symbols_.function_begin(*modules_, RemoteAddr(address - (stack.empty() ? 0 : 1)))});
  return stack;
}

}  // namespace

Result<std::unique_ptr<Target>> open_process(std::uint64_t pid) {
  // pid_t is an int; a larger number must not wrap around to somebody else's pid.
  if (pid == 0 || pid > INT32_MAX) return Error{ErrorKind::no_such_process, fmt::format("no process with pid {}", pid)};
  auto target = std::make_unique<NativeTarget>(pid);
  if (auto opened = target->open(); !opened) return opened.error();
  return std::unique_ptr<Target>(std::move(target));
}

}  // namespace hang::native
