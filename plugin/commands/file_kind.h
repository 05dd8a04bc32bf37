// FileKind: what a file given on the command line is, by its content.
#pragma once

#include <string>

#include "base/result.h"

namespace hang::commands {

enum class FileKind { facts, core, snapshot };

// Errors: `io` (cannot be opened, empty), `usage` (neither).
Result<FileKind> kind_of_file(const std::string& path);

}  // namespace hang::commands
