// Files that commands read and write: saved facts, snapshots, sidecars.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "facts/facts.h"

namespace hang::commands {

// Makes a file, or empties it, that only its owner reads, as cores are; follows no link. -1 with errno.
int open_private(const std::string& path);

enum class Mode { common, as_a_core };

// Errors: `io`.
Result<void> write_file(const std::string& path, const std::string& text, Mode mode = Mode::common);

// A file of saved facts, or the folder of a snapshot. Errors: `io`, with the path.
Result<facts::Snapshot> load_facts(const std::string& path);

// What the kernel knew of a core's process, in a file beside it. A compressed core may have it under either name;
// that of a snapshot is in its folder.
std::optional<std::string> sidecar_of(const std::string& core);

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
