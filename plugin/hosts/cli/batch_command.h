// `hang batch`: the work list, the workers and the results of plugin/batch, with hang classify as what the workers do.
#pragma once

#include "commands/arguments.h"
#include "commands/commands.h"

namespace hang::cli {

// `host` is what the workers classify with.
commands::Output run_batch(const commands::Arguments& arguments, const commands::Host& host);

}  // namespace hang::cli
