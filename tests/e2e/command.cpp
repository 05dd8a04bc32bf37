#include "command.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hang::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  int reading = -1, writing = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == 0) reading = ends[0], writing = ends[1];
  }
  ~Pipe() {
    close(reading);
    if (writing >= 0) close(writing);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
};

[[noreturn]] void become(char* const* argv, int out, int err) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execvp(argv[0], argv);
  _exit(127);
}

// Reads both pipes until both are at their end; false if the deadline came first.
bool drain(const Pipe& out, const Pipe& err, CommandResult& result, Clock::time_point until) {
  std::array<pollfd, 2> waited{{{out.reading, POLLIN, 0}, {err.reading, POLLIN, 0}}};
  std::array<std::string*, 2> texts{&result.out, &result.err};
  while (waited[0].fd >= 0 || waited[1].fd >= 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    if (poll(waited.data(), waited.size(), static_cast<int>(left)) < 0 && errno != EINTR) return false;
    for (std::size_t i = 0; i < waited.size(); ++i) {
      if (waited[i].fd < 0 || waited[i].revents == 0) continue;
      std::array<char, 8192> chunk;
      const ssize_t count = read(waited[i].fd, chunk.data(), chunk.size());
      if (count > 0) texts[i]->append(chunk.data(), static_cast<std::size_t>(count));
      if (count == 0) waited[i].fd = -1;
    }
  }
  return true;
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& command, std::chrono::milliseconds deadline) {
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  CommandResult result;
  Pipe out, err;
  const pid_t pid = fork();
  if (pid == 0) become(argv.data(), out.writing, err.writing);
  close(out.writing);
  close(err.writing);
  out.writing = err.writing = -1;
  if (pid < 0) return result;
  if (!drain(out, err, result, Clock::now() + deadline)) {
    result.timed_out = true;
    kill(pid, SIGKILL);
  }
  int raw = 0;
  waitpid(pid, &raw, 0);
  result.exit_code = WIFEXITED(raw) ? WEXITSTATUS(raw) : -WTERMSIG(raw);
  return result;
}

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (const std::string full = folder + "/" + name; access(full.c_str(), X_OK) == 0) return full;
  return "";
}

}  // namespace hang::test
