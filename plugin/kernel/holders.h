// Who else has a pipe or a socket open: one pass over the fd tables of all processes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "facts/facts.h"
#include "kernel/proc_file.h"

namespace hang::kernel {

class HolderSearch {
 public:
  struct Found {
    std::vector<facts::Holder> holders;
    bool truncated = false;  // more than kMostHolders have it
  };

  // Objects are named by what /proc/PID/fd/N links to: "pipe:[123]", "socket:[456]", the path of a FIFO.
  void want(std::string link) { found_.try_emplace(std::move(link)); }
  [[nodiscard]] bool empty() const { return found_.empty(); }

  // Enters the process' own fds.
  void add_own(std::uint64_t pid, const std::string& comm, const std::vector<facts::FdFacts>& fds);
  // Looks through every process but `pid`; stops after `patience`.
  void scan_others(std::uint64_t pid, std::chrono::milliseconds patience);

  // Nobody if it was not wanted.
  [[nodiscard]] const Found& of(const std::string& link) const;
  // Every fd table of this machine (as far as /proc shows it) was read.
  [[nodiscard]] bool complete() const { return failure_.empty() && refused_ == 0; }
  // "" if complete.
  [[nodiscard]] std::string why_incomplete() const;

  static constexpr std::size_t kMostHolders = 64;

 private:
  void scan_process(const ProcDir& proc, std::uint64_t pid, std::string& scratch);
  void refuse(std::uint64_t pid, std::string& scratch);
  void add(Found& found, facts::Holder holder);

  std::unordered_map<std::string, Found> found_;
  std::string failure_;        // the search itself was cut short
  std::size_t refused_ = 0;    // processes whose fd table may not be read
  std::string first_refused_;  // "1 systemd"
  std::string key_;            // reused for look-ups
};

}  // namespace hang::kernel
