#include "kernel/stored.h"

#include <utility>

#include "kernel/fdinfo.h"
#include "kernel/proc_file.h"
#include "kernel/thread.h"

namespace hang::kernel {
namespace {

using facts::FdFacts;
using facts::FdType;
using facts::Snapshot;

constexpr std::size_t kMostFds = 65536;
constexpr std::size_t kMostHolders = std::size_t{1} << 18;

// The file itself may be on another machine, or another one by now: the path alone must say it.
FdType type_of_path(std::string_view path) {
  if (path.starts_with("/dev/pts/") && path != "/dev/pts/ptmx") return FdType::tty;
  if (path == "/dev/tty" || path == "/dev/console") return FdType::tty;
  if (path == "/dev/null" || path == "/dev/zero" || path == "/dev/urandom") return FdType::chr;
  return FdType::unknown;
}

// "5:pipe:[123]" and the lines of /proc/PID/fdinfo/5 (compose_open_fds(), src/coredump/coredump.c of systemd).
bool add_fd(std::string_view block, Snapshot& snapshot) {
  const auto end = block.find('\n');
  const auto head = block.substr(0, end);
  const auto colon = head.find(':');
  if (colon == head.npos || snapshot.kernel.fds.size() >= kMostFds) return false;
  const auto number = parse_number<int>(head.substr(0, colon));
  if (!number || *number < 0 || snapshot.fd(*number) != nullptr) return false;
  FdFacts fd;
  fd.fd = *number;
  fd.target = head.substr(colon + 1);
  if (!apply_link(fd)) fd.type = type_of_path(fd.target);
  // Which kind of socket the link does not say, and a rule must not take it for one that leads outside.
  if (fd.type == FdType::other_socket) fd.type = FdType::unknown;
  const auto info = parse_fdinfo(end == block.npos ? std::string_view() : block.substr(end + 1));
  // Without its flags it is not known which way it is open; without its lines, what an epoll set watches.
  if (!info.flags) return false;
  apply_fdinfo(info, fd, snapshot);
  snapshot.kernel.fds.push_back(std::move(fd));
  return true;
}

// An empty line ends each but the last one.
bool add_fds(std::string_view text, Snapshot& snapshot) {
  while (!text.empty()) {
    const auto end = text.find("\n\n");
    if (!add_fd(text.substr(0, end), snapshot)) return false;
    text.remove_prefix(end == text.npos ? text.size() : end + 2);
  }
  return !snapshot.kernel.fds.empty();
}

// This process' own ends. Who else has them open the fields do not say: never complete.
void add_pipes(Snapshot& snapshot) {
  auto& fds = snapshot.kernel.fds;
  std::size_t left = kMostHolders;
  for (auto& fd : fds) {
    if (fd.type != FdType::pipe) continue;
    auto& pipe = fd.pipe.emplace();
    pipe.inode = fd.inode;
    for (const auto& other : fds) {
      if (other.type != FdType::pipe || other.inode != fd.inode || left == 0) continue;
      --left;
      const facts::Holder holder{snapshot.target.pid, other.fd, "", other.readable, other.writable};
      if (other.readable) pipe.readers.push_back(holder);
      if (other.writable) pipe.writers.push_back(holder);
    }
  }
}

// The number that the process had in its own pid namespace: that is the one in the core.
std::optional<std::uint64_t> innermost_pid(std::string_view status) {
  const auto ids = value_of(status, "NSpid");
  if (!ids) return std::nullopt;
  std::optional<std::uint64_t> last;
  Words words(*ids);
  for (auto id = words.number<std::uint64_t>(); id; id = words.number<std::uint64_t>()) last = id;
  return last;
}

// /proc/PID/status is that of the main thread. Its state is not taken: it was on its way out.
void add_status(std::string_view status, Snapshot& snapshot) {
  if (const auto pid = innermost_pid(status)) snapshot.target.pid = *pid;
  apply_status(status, snapshot.kernel.process);
  snapshot.kernel.process.ppid = number_of<std::int64_t>(status, "PPid");
  facts::ThreadFacts main;
  main.tid = snapshot.target.pid;
  if (const auto name = value_of(status, "Name")) main.comm = unescape_comm(*name);
  main.sig_blk = number_of<std::uint64_t>(status, "SigBlk", 16);
  main.sig_pnd = number_of<std::uint64_t>(status, "SigPnd", 16);
  snapshot.threads.push_back(std::move(main));
}

}  // namespace

void apply_status(std::string_view text, facts::ProcessFacts& process) {
  process.tracer_pid = number_of<std::int64_t>(text, "TracerPid");
  process.sig_ign = number_of<std::uint64_t>(text, "SigIgn", 16);
  process.sig_cgt = number_of<std::uint64_t>(text, "SigCgt", 16);
  process.shd_pnd = number_of<std::uint64_t>(text, "ShdPnd", 16);
}

Snapshot stored_sidecar(const StoredFields& fields) {
  Snapshot snapshot;
  snapshot.target.kind = facts::TargetKind::facts;
  snapshot.target.host = kSystemdCoredump;
  snapshot.target.pid = fields.pid;
  snapshot.target.exe = fields.exe;
  snapshot.taken_at = fields.taken_at;
  if (!fields.cmdline.empty()) snapshot.kernel.process.cmdline = {fields.cmdline};
  if (fields.status) add_status(*fields.status, snapshot);
  if (fields.open_fds && add_fds(*fields.open_fds, snapshot)) {
    snapshot.kernel.fds_known = true;
    add_pipes(snapshot);
  } else {
    snapshot.kernel.fds.clear();
    snapshot.readings.clear();
  }
  return snapshot;
}

}  // namespace hang::kernel
