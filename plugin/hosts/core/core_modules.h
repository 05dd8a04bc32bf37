// CoreModules: which program files were mapped, and which files here are those same files.
#pragma once

#include <string>
#include <vector>

#include "hosts/core/core_file.h"
#include "hosts/core/core_target.h"
#include "target/target.h"

namespace hang::core {

struct CoreModules {
  // The executable first. open_path is empty where no file here is known to be the one that was mapped.
  std::vector<Module> modules;
  std::vector<std::string> foreign;   // files that are here under that name, but are others
  std::vector<std::string> absent;    // not here under any name
  std::vector<std::string> unproven;  // taken by their layout: the core does not have their build ids
};

CoreModules find_modules(const CoreFile& core, const CoreOptions& options);

}  // namespace hang::core
