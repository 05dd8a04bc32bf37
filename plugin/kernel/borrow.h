// Borrowing another process' open files for a question that /proc cannot answer.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "kernel/proc_file.h"

namespace hang::kernel {

// Duplicates file descriptors with pidfd_getfd(2). The duplicate shares the open file description: no new reader or
// writer comes into being, so nothing in the target can notice. Keep it for microseconds only: as long as it is open,
// a close() in the target is not the last one. Needs the same permission as a debugger.
class Borrower {
 public:
  explicit Borrower(std::uint64_t pid);

  // A duplicate of the target's `fd`. `inconsistent` if that is not (any more) the file with `inode`.
  [[nodiscard]] Result<UniqueFd> borrow(int fd, std::uint64_t inode) const;

 private:
  UniqueFd pidfd_;
  int error_ = 0;
};

}  // namespace hang::kernel
