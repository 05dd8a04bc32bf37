#include "hosts/native/process_status.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace hang::native {
namespace {

constexpr std::size_t kMaxProcFile = 64U << 20;  // maps of a process with half a million mappings

Error no_process(std::uint64_t pid) {
  return Error{ErrorKind::no_such_process, fmt::format("no process with pid {}", pid)};
}

// The value of "Name:\tvalue" in /proc/PID/status.
std::string_view status_value(std::string_view text, std::string_view key) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const auto line = text.substr(at, end - at);
    if (line.size() > key.size() + 1 && line.starts_with(key) && line[key.size()] == ':') {
      const auto value = line.find_first_not_of(" \t", key.size() + 1);
      return value == std::string_view::npos ? std::string_view() : line.substr(value);
    }
    at = end + 1;
  }
  return {};
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Yama's ptrace_scope, or 0 where the kernel does not have it.
std::uint64_t ptrace_scope() {
  auto text = read_proc_file("/proc/sys/kernel/yama/ptrace_scope");
  return text ? number(*text) : 0;
}

}  // namespace

Result<std::string> read_proc_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string text;
  std::array<char, 16384> chunk;
  ssize_t count = fd < 0 ? -1 : 1;
  while (count > 0 && text.size() < kMaxProcFile) {
    count = read(fd, chunk.data(), chunk.size());
    if (count > 0) text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  const int error = errno;
  if (fd >= 0) close(fd);
  if (count == 0) return text;
  const std::string message = path + ": " + (count > 0 ? "larger than any real one" : std::strerror(error));
  if (count > 0) return Error{ErrorKind::io, message};
  if (error == ENOENT || error == ESRCH) return Error{ErrorKind::no_such_process, message};
  if (error == EACCES || error == EPERM) return Error{ErrorKind::no_permission, message};
  return Error{ErrorKind::io, message};
}

Result<ProcessStatus> read_status(std::uint64_t pid) {
  auto text = read_proc_file(fmt::format("/proc/{}/status", pid));
  if (!text) return text.error().kind == ErrorKind::no_such_process ? no_process(pid) : text.error();
  ProcessStatus status;
  status.name = status_value(*text, "Name");
  const auto state = status_value(*text, "State");
  status.state = state.empty() ? '?' : state.front();
  status.group = number(status_value(*text, "Tgid"));
  status.threads = number(status_value(*text, "Threads"));
  status.real_uid = number(status_value(*text, "Uid"));
  // Only a process that has, or had, memory of its own has VmSize; a zombie has given it back. "Kthread:" came with
  // Linux 6.4 (fs/proc/array.c) and tells the two apart; before, the state does.
  const auto kthread = status_value(*text, "Kthread");
  const bool no_memory = status_value(*text, "VmSize").empty();
  status.kernel_thread =
      kthread.empty() ? no_memory && status.state != 'Z' && status.state != 'X' : kthread.front() == '1';
  return status;
}

Result<void> check_debuggable(std::uint64_t pid) {
  auto status = read_status(pid);
  if (!status) return status.error();
  const auto refuse = [&](std::string why) {
    return Error{ErrorKind::no_such_process, fmt::format("process {} ({}) {}", pid, status->name, why)};
  };
  if (status->kernel_thread) return refuse("is a kernel thread: it has no memory of its own to read");
  // A main thread that called pthread_exit() stays a zombie while others run, and the process' memory with them.
  if (status->state == 'Z' && status->threads > 1)
    return refuse(
        fmt::format("has lost its main thread (it called pthread_exit); {} others still run, which cannot be read",
                    status->threads - 1));
  if (status->state == 'Z' || status->state == 'X')
    return refuse("is a zombie: it has ended, and waits only for its parent to collect its exit status");
  if (status->group != pid) return refuse(fmt::format("is a thread of process {}: ask for that pid", status->group));
  return {};
}

Error permission_error(std::uint64_t pid) {
  auto status = read_status(pid);
  const std::uint64_t ours = getuid();
  std::string why;
  if (status && status->real_uid != ours)
    why =
        fmt::format("it runs as uid {} and we as uid {}; run as that user, or as root (sudo), which has CAP_SYS_PTRACE",
                    status->real_uid, ours);
  else if (const auto scope = ptrace_scope(); scope > 0)
    why = fmt::format(
        "kernel.yama.ptrace_scope is {}; run with CAP_SYS_PTRACE (sudo), or allow it: sysctl "
        "kernel.yama.ptrace_scope=0",
        scope);
  else
    why =
        "it is not dumpable (set-uid, or prctl PR_SET_DUMPABLE) or a container's policy forbids it; run with "
        "CAP_SYS_PTRACE (sudo)";
  return Error{ErrorKind::no_permission, fmt::format("no permission to read process {}{}: {}", pid,
                                                     status ? " (" + status->name + ")" : "", why)};
}

}  // namespace hang::native
