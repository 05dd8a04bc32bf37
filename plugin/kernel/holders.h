// Who else has a pipe or a socket open: one pass over the fd tables of all processes.
//
// Some tables may not be read: for a user who is not root those of every other user, and for root still a few (init in
// a sandbox). Such a process is told apart by kinship. A descriptor travels by fork(); the sending of one over a unix
// socket apart, a process that was there before this one, or that is no descendant and in another session, has none of
// what the program itself opened (and did not inherit over exec(): close-on-exec tells). Where there was no exec() the
// program may have opened it in an older process; that one then still has the command line. So "unread stranger" leaves
// an answer that says what it assumes, while "unread relative" leaves none.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
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
    // The process has it, and every descriptor for it close-on-exec: this program opened it itself.
    bool own = false, inherited = false;
    [[nodiscard]] bool self_opened() const { return own && !inherited; }
  };

  // Objects are named by what /proc/PID/fd/N links to: "pipe:[123]", "socket:[456]", the path of a FIFO.
  void want(std::string link) { found_.try_emplace(std::move(link)); }
  [[nodiscard]] bool empty() const { return found_.empty(); }

  // Enters the process' own fds.
  void add_own(std::uint64_t pid, const std::string& comm, const std::vector<facts::FdFacts>& fds);
  // Looks through every process but `pid`, which `process` is the directory of; stops after `patience`.
  void scan_others(const ProcDir& process, std::uint64_t pid, std::chrono::milliseconds patience);

  // Nobody if it was not wanted.
  [[nodiscard]] const Found& of(const std::string& link) const;
  // Every fd table of this machine (as far as /proc shows it) was read.
  [[nodiscard]] bool complete() const { return failure_.empty() && relatives_ == 0 && strangers_ == 0; }
  // Every fd table was read, but for strangers'.
  [[nodiscard]] bool complete_but_strangers() const { return failure_.empty() && relatives_ == 0; }
  // "" if complete.
  [[nodiscard]] std::string why_incomplete() const;

  static constexpr std::size_t kMostHolders = 64;

 private:
  void scan_process(const ProcDir& proc, std::uint64_t pid, std::string& scratch);
  void refuse(std::uint64_t pid, std::string& scratch);
  [[nodiscard]] bool may_have_opened(std::uint64_t pid, std::string& scratch) const;
  void add(Found& found, facts::Holder holder);

  std::unordered_map<std::string, Found> found_;
  // The process whose objects these are.
  std::uint64_t pid_ = 0;
  std::optional<std::int64_t> session_;
  std::optional<std::uint64_t> starttime_;  // in clock ticks: a parent may have started in the same one
  std::vector<std::uint64_t> ancestors_;
  std::optional<std::string> forked_from_;  // the command line of a process that was forked and did not exec()
  std::string failure_;                     // the search itself was cut short
  // Processes whose fd table may not be read, and one of each kind by name: "1 systemd".
  std::size_t relatives_ = 0, strangers_ = 0;
  std::string relative_, stranger_;
  std::string key_;  // reused for look-ups
};

}  // namespace hang::kernel
