// CoreModules: which program files were mapped, and which files here are those same files.
#pragma once

#include <string>
#include <vector>

#include "hosts/core/core_file.h"
#include "hosts/core/core_target.h"
#include "target/target.h"

namespace hang::core {

// A file that was mapped and is not here.
struct MissingFile {
  std::string path;
  std::string build_id;     // of what was mapped; "" if the core does not tell
  std::string other;        // a file here that has its name and is another; "" if there is none
  std::string other_id;     // the build id of that
  bool executable = false;  // it is what the process ran, and not a library
};

struct CoreModules {
  // The executable first. open_path is empty where no file here is known to be the one that was mapped.
  std::vector<Module> modules;
  std::vector<MissingFile> missing;
  std::vector<std::string> unproven;  // taken by their layout: the core does not have their build ids
};

CoreModules find_modules(const CoreFile& core, const CoreOptions& options);

}  // namespace hang::core
