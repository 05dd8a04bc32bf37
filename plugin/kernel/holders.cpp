#include "kernel/holders.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hang::kernel {
namespace {

using Clock = std::chrono::steady_clock;

// A process without memory of its own (kernel thread) or with nothing left (zombie) holds no files, whatever its fd
// directory's permissions say. Its stat line is readable for everybody: "pid (comm) state ppid pgrp sid tty tpgid
// flags".
bool holds_nothing(const ProcDir& process, std::string& scratch) {
  constexpr std::uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD (include/linux/sched.h)
  const auto stat = process.read("stat", scratch);
  if (!stat) return stat.error().kind == ErrorKind::no_such_process;
  const std::size_t end = stat->text.rfind(')');
  if (end == stat->text.npos) return false;
  Words words(stat->text.substr(end + 1));
  const std::string_view state = words.next();
  for (int field = 4; field < 9; ++field) words.next();
  const auto flags = words.number<std::uint64_t>();
  return state == "Z" || state == "X" || (flags && (*flags & kKernelThread) != 0);
}

std::string comm_of(std::uint64_t pid, std::string& scratch) {
  const auto process = ProcDir::open_process(pid);
  if (!process) return {};
  const auto file = process->read("comm", scratch);
  if (!file) return {};
  std::string_view text = file->text;
  if (text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

void HolderSearch::add(Found& found, facts::Holder holder) {
  if (found.holders.size() >= kMostHolders) {
    found.truncated = true;
  } else {
    found.holders.push_back(std::move(holder));
  }
}

void HolderSearch::add_own(std::uint64_t pid, const std::string& comm, const std::vector<facts::FdFacts>& fds) {
  for (const auto& fd : fds) {
    const auto found = found_.find(fd.target);
    if (found != found_.end()) add(found->second, {pid, fd.fd, comm, fd.readable, fd.writable});
  }
}

void HolderSearch::refuse(std::uint64_t pid, std::string& scratch) {
  const auto process = ProcDir::open_process(pid);
  if (!process || holds_nothing(*process, scratch)) return;
  if (refused_++ == 0) first_refused_ = fmt::format("{} {}", pid, comm_of(pid, scratch));
}

void HolderSearch::scan_process(const ProcDir& proc, std::uint64_t pid, std::string& scratch) {
  const auto fds = proc.open(fmt::format("{}/fd", pid).c_str());
  if (!fds) return refuse(pid, scratch);
  std::string comm;
  NumberedEntries entries(*fds);
  while (const auto fd = entries.next()) {
    const auto link = fds->link(entries.name(), scratch);
    if (!link) {
      // Root may list what it may not follow (a security module, a lesser capability set).
      if (link.error().kind == ErrorKind::no_permission) return refuse(pid, scratch);
      continue;  // closed
    }
    key_.assign(*link);
    const auto found = found_.find(key_);
    if (found == found_.end()) continue;
    // The link's own permission bits are the open mode (tid_fd_update_inode, fs/proc/fd.c).
    struct stat mode {};
    if (fstatat(fds->fd(), entries.name(), &mode, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (comm.empty()) comm = comm_of(pid, scratch);
    add(found->second,
        {pid, static_cast<int>(*fd), comm, (mode.st_mode & S_IRUSR) != 0, (mode.st_mode & S_IWUSR) != 0});
  }
  if (entries.failed()) refuse(pid, scratch);
}

std::string HolderSearch::why_incomplete() const {
  if (!failure_.empty() || refused_ == 0) return failure_;
  if (refused_ == 1) return fmt::format("the fd table of process {} may not be read", first_refused_);
  return fmt::format("the fd tables of {} processes may not be read ({}, ...)", refused_, first_refused_);
}

void HolderSearch::scan_others(std::uint64_t pid, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  const auto proc = ProcDir::open_all();
  if (!proc) {
    failure_ = proc.error().message;
    return;
  }
  // With hidepid=2 the processes of others, and init with them, are not even listed.
  if (faccessat(proc->fd(), "1", F_OK, 0) != 0) failure_ = "/proc hides the processes of other users";
  std::string scratch;
  NumberedEntries pids(*proc);
  while (const auto other = pids.next()) {
    if (*other == pid) continue;
    if (Clock::now() > deadline) {
      failure_ = fmt::format("looking through all processes took more than {} ms", patience.count());
      return;
    }
    scan_process(*proc, *other, scratch);
  }
  if (pids.failed()) failure_ = "cannot list /proc";
}

const HolderSearch::Found& HolderSearch::of(const std::string& link) const {
  static const Found kNobody;
  const auto found = found_.find(link);
  return found == found_.end() ? kNobody : found->second;
}

}  // namespace hang::kernel
