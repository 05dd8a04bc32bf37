// NativeTarget: a live process of this machine through procfs and process_vm_readv, never stopped.
#pragma once

#include <memory>

#include "base/result.h"
#include "target/target.h"

namespace hang::native {

// Errors: `no_such_process` (also a zombie, saying so, and a kernel thread), `no_permission` (naming ptrace_scope or
// the missing CAP_SYS_PTRACE, and the command that would help).
Result<std::unique_ptr<Target>> open_process(std::uint64_t pid);

}  // namespace hang::native
