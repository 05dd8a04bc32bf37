// Stored: what the kernel said of a process, as text of its /proc that somebody kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "facts/facts.h"

namespace hang::kernel {

// The signal dispositions and the tracer of /proc/PID/status.
void apply_status(std::string_view text, facts::ProcessFacts& process);

// The fields that systemd-coredump stores with a core, as far as they say what the core does not.
struct StoredFields {
  std::uint64_t pid = 0;
  std::string exe, cmdline, taken_at;
  std::optional<std::string> status;    // COREDUMP_PROC_STATUS
  std::optional<std::string> open_fds;  // COREDUMP_OPEN_FDS
};

inline constexpr const char* kSystemdCoredump = "systemd-coredump";

// A sidecar made of them; `target.host` is kSystemdCoredump. Queues, peers and other processes are not in the fields
// and stay unknown. Descriptors are known only if the whole list was understood.
facts::Snapshot stored_sidecar(const StoredFields& fields);

}  // namespace hang::kernel
