// ProcessStatus: why a process cannot be looked at, before anybody tries.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hang::native {

// A small file of procfs, whole. Fails with `no_such_process`, `no_permission` or `io`.
Result<std::string> read_proc_file(const std::string& path);

struct ProcessStatus {
  std::string name;         // comm, up to 15 bytes
  char state = '?';         // R S D T t Z X I
  std::uint64_t group = 0;  // Tgid
  std::uint64_t threads = 0;
  std::uint64_t real_uid = 0;
  bool kernel_thread = false;
};

Result<ProcessStatus> read_status(std::uint64_t pid);

// Fails with `no_such_process` for what cannot be debugged: no such pid, a zombie, a kernel thread, a mere thread.
Result<void> check_debuggable(std::uint64_t pid);

// The `no_permission` error for reading the memory of `pid`: whose it is, what forbids it, which command would help.
Error permission_error(std::uint64_t pid);

}  // namespace hang::native
