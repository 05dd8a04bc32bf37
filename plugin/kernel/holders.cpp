#include "kernel/holders.h"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/stat.h"

namespace hang::kernel {
namespace {

using Clock = std::chrono::steady_clock;

// The stat line of a process, valid as long as `scratch` is not used again.
std::optional<Stat> stat_of(std::uint64_t pid, std::string& scratch) {
  const auto process = ProcDir::open_process(pid);
  if (!process) return std::nullopt;
  const auto file = process->read("stat", scratch);
  return file ? std::optional(parse_stat(file->text)) : std::nullopt;
}

// Follows the parents of `stat` up to `ancestor`. Unknown (a parent that ended, too long a chain) counts as yes.
bool may_descend(Stat stat, std::uint64_t ancestor, std::string& scratch) {
  for (int generation = 0; generation < 64; ++generation) {
    if (!stat.ppid || *stat.ppid < 0) return true;
    const auto parent = static_cast<std::uint64_t>(*stat.ppid);
    if (parent == ancestor) return true;
    if (parent <= 1) return false;
    const auto next = stat_of(parent, scratch);
    if (!next) return true;
    stat = *next;
  }
  return true;
}

// The parent, its parent and so on, as far as they are there.
std::vector<std::uint64_t> ancestors_of(std::optional<std::int64_t> parent, std::string& scratch) {
  constexpr std::size_t kMostGenerations = 64;
  std::vector<std::uint64_t> ancestors;
  while (parent && *parent > 0 && ancestors.size() < kMostGenerations) {
    ancestors.push_back(static_cast<std::uint64_t>(*parent));
    const auto stat = stat_of(ancestors.back(), scratch);
    parent = stat ? stat->ppid : std::nullopt;
  }
  return ancestors;
}

std::string cmdline_of(std::uint64_t pid, std::string& scratch) {
  const auto process = ProcDir::open_process(pid);
  if (!process) return {};
  const auto file = process->read("cmdline", scratch);
  return file ? std::string(file->text) : std::string();
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
    if (found == found_.end()) continue;
    found->second.own = true;
    found->second.inherited |= !fd.cloexec;
    add(found->second, {pid, fd.fd, comm, fd.readable, fd.writable});
  }
}

// Before the process was forked from it: both still run the same program then.
bool HolderSearch::may_have_opened(std::uint64_t pid, std::string& scratch) const {
  return forked_from_ && cmdline_of(pid, scratch) == *forked_from_;
}

void HolderSearch::refuse(std::uint64_t pid, std::string& scratch) {
  const auto stat = stat_of(pid, scratch);
  // A kernel thread holds no files and a zombie none any more, whatever their fd directory's permissions say.
  if (!stat || stat->ended() || stat->kernel_thread()) return;
  const std::string name = fmt::format("{} {}", pid, stat->comm);
  const bool other_session = session_ && stat->session && *session_ != *stat->session;
  const bool older = (starttime_ && stat->starttime && *stat->starttime < *starttime_) ||
                     std::find(ancestors_.begin(), ancestors_.end(), pid) != ancestors_.end();
  if (older ? !may_have_opened(pid, scratch) : other_session && !may_descend(*stat, pid_, scratch)) {
    if (strangers_++ == 0) stranger_ = name;
  } else {
    if (relatives_++ == 0) relative_ = name;
  }
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
  if (!failure_.empty()) return failure_;
  const auto tables = [](std::size_t count, const std::string& first) {
    if (count == 1) return fmt::format("the fd table of process {} may not be read", first);
    return fmt::format("the fd tables of {} processes ({}, ...) may not be read", count, first);
  };
  if (relatives_ != 0) return tables(relatives_, relative_);
  if (strangers_ == 0) return {};
  return tables(strangers_, stranger_) +
         "; being no relatives, they are taken not to hold what this process opened itself";
}

void HolderSearch::scan_others(const ProcDir& process, std::uint64_t pid, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  std::string scratch;
  pid_ = pid;
  if (const auto file = process.read("stat", scratch)) {
    const Stat stat = parse_stat(file->text);
    session_ = stat.session;
    starttime_ = stat.starttime;
    const auto parent = stat.ppid;
    if (stat.forked_only()) forked_from_ = cmdline_of(pid, scratch);
    ancestors_ = ancestors_of(parent, scratch);
  }
  const auto proc = ProcDir::open_all();
  if (!proc) {
    failure_ = proc.error().message;
    return;
  }
  // With hidepid=2 the processes of others, and init with them, are not even listed.
  if (faccessat(proc->fd(), "1", F_OK, 0) != 0) failure_ = "/proc hides the processes of other users";
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
