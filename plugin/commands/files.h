// Files that commands read and write: saved facts, snapshots, sidecars.
#pragma once

#include <string>

#include "base/result.h"
#include "facts/facts.h"

namespace hang::commands {

// Errors: `io`.
Result<void> write_file(const std::string& path, const std::string& text);

// A file of saved facts, or the folder of a snapshot. Errors: `io`, with the path.
Result<facts::Snapshot> load_facts(const std::string& path);

bool is_folder(const std::string& path);
// The folder of a snapshot.
bool is_snapshot(const std::string& path);

// The names in the folder of a snapshot.
inline constexpr const char* kManifestName = "snapshot.json";
inline constexpr const char* kFactsName = "facts.json";
inline constexpr const char* kCoreName = "core";
// Appended to the name of a core: what the kernel knew of its process.
inline constexpr const char* kSidecarSuffix = ".hang.json";

}  // namespace hang::commands
