#include "support/python_process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hang::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* kEndOfOutput = "end of output";

std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> merged;
  for (const auto& [name, value] : added) merged.push_back(name + "=" + value);
  for (char** entry = environ; *entry; ++entry) {
    const std::string name(*entry, std::strcspn(*entry, "="));
    if (std::none_of(added.begin(), added.end(), [&](const auto& pair) { return pair.first == name; }))
      merged.emplace_back(*entry);
  }
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

// A folder of ours and where it is mounted inside another root file system.
struct Mount {
  std::string from, to;
};

// The mounts that a program in `root` needs, outermost folders first; their mount points are made in it.
std::vector<Mount> mounts_of(const std::string& root, bool container) {
  std::vector<Mount> mounts;
  if (root.empty()) return mounts;
  if (container) return {{root + "/usr", "/usr"}};
  for (const char* folder : {"/proc", "/dev", "/tmp", HANG_SOURCE_DIR}) {
    std::error_code ignored;  // mount() will fail and say so
    std::filesystem::create_directories(root + folder, ignored);
    mounts.push_back({folder, root + folder});
  }
  return mounts;
}

// Moves the calling process into `root`, in a mount namespace of its own that ends with it: nothing stays mounted.
bool enter(const std::string& root, const std::vector<Mount>& mounts, bool container) {
  if (root.empty()) return true;
  if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  for (const Mount& bound : mounts)
    if (mount(bound.from.c_str(), bound.to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) return false;
  return container || (chroot(root.c_str()) == 0 && chdir("/") == 0);
}

// In the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(char* const* argv, char* const* envp, int output, int parent, const PythonOptions& options,
                         const std::vector<Mount>& mounts) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);  // the test died before the line above
  for (int number = 1; number < NSIG; ++number) std::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0) _exit(126);
  syscall(SYS_close_range, 3U, ~0U, 0U);
  if (!enter(options.root, mounts, options.container)) _exit(125);
  execve(argv[0], argv, envp);
  _exit(127);
}

Error io_error(const std::string& what) {
  return Error{ErrorKind::io, what};
}

int milliseconds_left(Clock::time_point until) {
  const auto left = std::chrono::ceil<milliseconds>(until - Clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(left, 0));
}

// True once `fd` is readable (or at its end), false when the deadline has passed.
bool await_readable(int fd, Clock::time_point until) {
  pollfd waited{fd, POLLIN, 0};
  for (;;) {
    const int count = poll(&waited, 1, milliseconds_left(until));
    if (count > 0) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}

int status_of(int raw) {
  return WIFEXITED(raw) ? WEXITSTATUS(raw) : -WTERMSIG(raw);
}

}  // namespace

Result<std::unique_ptr<PythonProcess>> PythonProcess::run_program(const std::vector<std::string>& command,
                                                                  const PythonOptions& options) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return io_error(std::string("pipe2: ") + std::strerror(errno));
  auto arguments = command;
  auto environment = merged_environment(options.environment);
  const auto argv = pointers(arguments), envp = pointers(environment);
  const auto mounts = mounts_of(options.root, options.container);
  const int parent = getpid();
  const int pid = fork();
  if (pid == 0) become(argv.data(), envp.data(), pipe[1], parent, options, mounts);
  close(pipe[1]);
  if (pid < 0) {
    close(pipe[0]);
    return io_error(std::string("fork: ") + std::strerror(errno));
  }
  setpgid(pid, pid);  // whichever of parent and child comes first
  std::unique_ptr<PythonProcess> process(new PythonProcess(pid, pipe[0]));
  if (auto ready = process->await_ready(options.deadline); !ready) return ready.error();
  return process;
}

Result<std::unique_ptr<PythonProcess>> PythonProcess::run_script(const CPython& python, const std::string& script,
                                                                 const PythonOptions& options) {
  std::vector<std::string> command{python.executable, "-u"};
  command.insert(command.end(), options.interpreter_arguments.begin(), options.interpreter_arguments.end());
  command.push_back(script);
  command.insert(command.end(), options.arguments.begin(), options.arguments.end());
  PythonOptions in_root = options;
  in_root.root = python.root;
  return run_program(command, in_root);
}

Result<std::unique_ptr<PythonProcess>> PythonProcess::run_code(const CPython& python, const std::string& code,
                                                               const PythonOptions& options) {
  PythonOptions with_code = options;
  with_code.interpreter_arguments.emplace_back("-c");
  return run_script(python, code, with_code);
}

PythonProcess::~PythonProcess() {
  kill_group();
  if (!reaped_) waitpid(pid_, nullptr, 0);
  close(output_);
}

void PythonProcess::kill_group() const {
  // Once the leader is reaped its pid can belong to somebody else; its group cannot while members live, but an
  // empty group's id can. A test that waited for its patient has nothing left to kill.
  if (!reaped_) ::kill(-pid_, SIGKILL);
}

void PythonProcess::signal(int number) const {
  if (!reaped_) ::kill(pid_, number);
}

Result<void> PythonProcess::await_ready(milliseconds deadline) {
  const auto until = Clock::now() + deadline;
  for (;;) {
    auto line = read_line(milliseconds(milliseconds_left(until)));
    if (!line) {
      // A closed stdout is a process about to end; a deadline is not.
      auto status = wait(milliseconds(line.error().message == kEndOfOutput ? 5'000 : 0));
      const std::string end = status ? "; it ended with status " + std::to_string(*status) : "";
      return io_error("no READY from pid " + std::to_string(pid_) + ": " + line.error().message + end);
    }
    if (line->rfind("READY", 0) == 0) {
      ready_ = line->size() > 6 ? line->substr(6) : "";
      return {};
    }
  }
}

Result<std::string> PythonProcess::read_line(milliseconds deadline) {
  const auto until = Clock::now() + deadline;
  for (;;) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      lines_.push_back(buffer_.substr(0, end));
      buffer_.erase(0, end + 1);
      return lines_.back();
    }
    if (!await_readable(output_, until)) return io_error("deadline passed");
    char chunk[4096];
    const ssize_t count = ::read(output_, chunk, sizeof chunk);
    if (count > 0) buffer_.append(chunk, static_cast<std::size_t>(count));
    if (count == 0) return io_error(kEndOfOutput);
    if (count < 0 && errno != EINTR) return io_error(std::string("read: ") + std::strerror(errno));
  }
}

Result<int> PythonProcess::wait(milliseconds deadline) {
  if (reaped_) return io_error("already waited for");
  const auto until = Clock::now() + deadline;
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0U));
  if (pidfd < 0) return io_error(std::string("pidfd_open: ") + std::strerror(errno));
  const bool ended = await_readable(pidfd, until);
  close(pidfd);
  if (!ended) return io_error("still running");
  int raw = 0;
  if (waitpid(pid_, &raw, 0) != pid_) return io_error(std::string("waitpid: ") + std::strerror(errno));
  reaped_ = true;
  return status_of(raw);
}

}  // namespace hang::test
