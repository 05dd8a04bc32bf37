// PythonProcess: a Python program run as a patient, that says when it is ready and never outlives its test.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "support/pythons.h"

namespace hang::test {

struct PythonOptions {
  std::vector<std::string> arguments;                            // after the program
  std::vector<std::string> interpreter_arguments;                // before it ("-X", "dev")
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  std::chrono::milliseconds deadline{30'000};                    // for READY
  std::string root;  // run_program(): a root file system to run it in; it also sees our /proc, /dev, /tmp and sources
  bool container = false;  // not chroot, but as in a container: its /usr under the name of ours, which only it sees
};

// The child runs in a process group of its own with every signal at its default and none blocked (a background shell
// would hand down an ignored SIGINT), stdin /dev/null, stdout our pipe, stderr ours, no other file descriptor. The
// kernel kills it if the test dies; the destructor kills the whole group and reaps it.
class PythonProcess {
 public:
  // Runs a script or a `-c` program and returns once it has printed a line that begins with "READY". Fails with `io`
  // saying what happened instead (it ended, with which status; the deadline passed).
  static Result<std::unique_ptr<PythonProcess>> run_script(const CPython& python, const std::string& script,
                                                           const PythonOptions& options = {});
  static Result<std::unique_ptr<PythonProcess>> run_code(const CPython& python, const std::string& code,
                                                         const PythonOptions& options = {});
  // Any program that prints READY, by path (an embedding lab).
  static Result<std::unique_ptr<PythonProcess>> run_program(const std::vector<std::string>& command,
                                                            const PythonOptions& options = {});

  PythonProcess(const PythonProcess&) = delete;
  PythonProcess& operator=(const PythonProcess&) = delete;
  ~PythonProcess();

  [[nodiscard]] std::uint64_t pid() const { return static_cast<std::uint64_t>(pid_); }
  // Lines printed so far, READY included, without line ends.
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
  // What followed "READY " on its line.
  [[nodiscard]] const std::string& ready() const { return ready_; }
  // The next line; `io` on end of file or deadline.
  Result<std::string> read_line(std::chrono::milliseconds deadline = std::chrono::milliseconds(30'000));
  void signal(int number) const;
  // Waits for the end, and returns the exit status or minus the signal number. `io` if the deadline passes.
  Result<int> wait(std::chrono::milliseconds deadline = std::chrono::milliseconds(30'000));
  // SIGKILLs the process group without reaping its leader, which is then a zombie.
  void kill_group() const;

 private:
  PythonProcess(int pid, int output) : pid_(pid), output_(output) {}
  Result<void> await_ready(std::chrono::milliseconds deadline);

  int pid_;
  int output_;
  bool reaped_ = false;
  std::string buffer_, ready_;
  std::vector<std::string> lines_;
};

}  // namespace hang::test
