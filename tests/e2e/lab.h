// The labs as rows of tests/labs/labs.json, and a lab as a running process that has come to rest.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "support/python_process.h"

namespace hang::test {

// What must be said of a lab. Several values: versions or hosts may rightly differ.
struct Expectation {
  std::vector<std::string> ids;  // "" = undetermined
  std::optional<int> seed_class;
  std::vector<std::string> ctrl_c;
  std::optional<int> step;
  std::string blame;  // threading name of the thread to blame, "" = nobody in particular
  std::string frame;  // "hogs.py:regex" or "file.py": the `# BLAME` line in that function or file
};

struct Lab {
  std::string name;
  std::string file, program;  // a script, or the name of a lab in C++
  int first_minor = 11, last_minor = 99;
  std::map<std::string, std::string> settle, settle_after;  // "main" or "blame" -> state (Settling)
  int signals = 0;                                          // SIGINTs before the look; negative: they stay pending
  Expectation expect, expect_in_lldb, expect_in_core;
  // In LLDB and in a core of a stripped build whose loop over the bytecode is many functions (a function for each
  // opcode, or one that the compiler split): one sample does not tell whether an unnamed function runs bytecode.
  std::optional<Expectation> one_sample_stripped;
  bool lldb = true;  // false: attaching itself undoes it (LLDB lets a stopped process run when it detaches)
  bool gdb = false, gdb_core = false;  // one of those that are also looked at in GDB, alive or in a core
  std::vector<int> sigints;            // how many more end it; 0 = none
  bool core = false;                   // one of those that are also looked at in a core
  std::string needs;  // "trio" (a comment: labkit finds one), "anyio" (4 or newer, else it does not run)

  [[nodiscard]] bool runs_on(const CPython& python) const;
  // What runs as the process: the interpreter, or the lab in C++ that was built for it.
  [[nodiscard]] std::string executable(const CPython& python) const;
  [[nodiscard]] const Expectation& in_lldb(const CPython& python) const {
    return opcodes_unnamed(python) ? *one_sample_stripped : expect_in_lldb;
  }
  [[nodiscard]] const Expectation& in_core(const CPython& python) const {
    return opcodes_unnamed(python) ? *one_sample_stripped : expect_in_core;
  }
  [[nodiscard]] bool opcodes_unnamed(const CPython& python) const;
};

const std::vector<Lab>& labs();

// The `file.py:LINE` of the `# BLAME` mark that `frame` of an expectation means.
std::string blamed_line(const std::string& frame);

class RunningLab {
 public:
  // Started, ready, in its kernel state, and signalled. The error says what did not come about.
  static Result<std::unique_ptr<RunningLab>> start(const Lab& lab, const CPython& python);

  [[nodiscard]] pid_t pid() const { return pid_; }
  // The thread that must be blamed.
  [[nodiscard]] pid_t blamed_tid() const { return blamed_tid_; }
  [[nodiscard]] std::optional<int> fd() const { return fd_; }
  [[nodiscard]] bool ended() const;
  // Sends one SIGINT and waits until it was taken, if it can be.
  Result<void> interrupt(bool must_be_taken = true);

 private:
  Result<void> settle(const std::map<std::string, std::string>& wanted);

  std::unique_ptr<PythonProcess> process_;
  pid_t pid_ = 0, blamed_tid_ = 0, other_tid_ = 0;
  std::optional<int> fd_;
};

}  // namespace hang::test
