#include "hosts/cli/stored_core.h"

#include <ctime>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>
#include <utility>

#include "hosts/core/decompress.h"
#include "kernel/stored.h"

namespace hang::cli {
namespace {

std::optional<std::string> field(const coredumps::Fields& fields, const char* name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::nullopt : std::optional(found->second);
}

// "it was /usr/bin/python3 (pid 12, signal 6)"
std::string what_it_was(const coredumps::Record& record, const coredumps::Fields& fields) {
  return fmt::format("it was {} (pid {}, signal {})", field(fields, "COREDUMP_EXE").value_or("?").substr(0, 256),
                     record.pid, field(fields, "COREDUMP_SIGNAL").value_or("?").substr(0, 16));
}

facts::Snapshot sidecar_of(const coredumps::Record& record, const coredumps::Fields& fields) {
  kernel::StoredFields stored;
  stored.pid = record.pid;
  stored.exe = field(fields, "COREDUMP_EXE").value_or("");
  stored.cmdline = field(fields, "COREDUMP_CMDLINE").value_or("");
  stored.taken_at =
      fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(record.time_us / 1'000'000)));
  stored.status = field(fields, "COREDUMP_PROC_STATUS");
  stored.open_fds = field(fields, "COREDUMP_OPEN_FDS");
  return kernel::stored_sidecar(stored);
}

// A file without a name with these bytes. -1 = no room.
int spool(const std::string& bytes) {
  const int fd = core::temporary_file();
  if (fd < 0) return -1;
  for (std::size_t done = 0; done < bytes.size();) {
    const auto put = write(fd, bytes.data() + done, bytes.size() - done);
    if (put <= 0) {
      close(fd);
      return -1;
    }
    done += static_cast<std::size_t>(put);
  }
  return fd;
}

}  // namespace

std::string name_of(const coredumps::Record& record) {
  return record.file.empty() ? fmt::format("journal:{}@{}", record.pid, record.time_us) : record.file;
}

Result<StoredCore> StoredCore::open(const std::string& folder, const coredumps::Record& record) {
  std::vector<std::string> names{"COREDUMP_EXE", "COREDUMP_CMDLINE", "COREDUMP_SIGNAL", "COREDUMP_PROC_STATUS",
                                 "COREDUMP_OPEN_FDS"};
  if (record.file.empty()) names.emplace_back("COREDUMP");
  const auto fields = coredumps::read_fields(folder, record.cursor, names);
  if (!fields) return fields.error();
  StoredCore core;
  core.path_ = record.file;
  if (!record.file.empty() && access(record.file.c_str(), F_OK) != 0)
    return Error{ErrorKind::io, "the core is gone (removed by systemd-tmpfiles?); " + what_it_was(record, *fields)};
  if (record.file.empty()) {
    const auto bytes = fields->find("COREDUMP");
    if (bytes == fields->end())
      return Error{ErrorKind::io, "systemd-coredump did not keep the core; " + what_it_was(record, *fields)};
    core.fd_ = spool(bytes->second);
    if (core.fd_ < 0) return Error{ErrorKind::io, "no room for the core where TMPDIR points to"};
    core.path_ = fmt::format("/proc/self/fd/{}", core.fd_);
  }
  core.sidecar_ = sidecar_of(record, *fields);
  return core;
}

StoredCore::StoredCore(StoredCore&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)), sidecar_(std::move(other.sidecar_)) {}

StoredCore::~StoredCore() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace hang::cli
