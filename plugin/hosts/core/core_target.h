// CoreTarget: a core file, and the program files that it leaves out.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "target/target.h"

namespace hang::core {

struct CoreOptions {
  std::string path;
  std::string executable;  // "" = by the name that the core has for it
  std::string sysroot;     // where the files of the core's process lie; "" = this machine's root
  // How those two are named, for messages.
  std::string naming = "--exe (for the executable) or --sysroot";
};

// Errors: `io`, with the reason why the file is no usable core.
Result<std::unique_ptr<Target>> open_core(const CoreOptions& options);

}  // namespace hang::core
