// Inspect: from arguments to the facts of a process, and from there to an answer.
#pragma once

#include <functional>

#include "commands/arguments.h"
#include "commands/commands.h"
#include "facts/facts.h"

namespace hang::commands {

// "hang: MESSAGE" with exit code 2: usage, or a target that cannot be read.
Output failure(const Error& error);

// The host's style as the arguments change it.
report::Style style_of(const Arguments& arguments, const Host& host);

// The arguments with a bare SOURCE as what it is: a pid, or by its content a core, a file of facts or a snapshot.
// Errors: `usage` (also more than one source), `io`.
Result<Arguments> with_source(Arguments arguments);

// Gets the facts from the one source that the arguments or the host name (-p, --facts, the debugger's target), writes
// them to --save-facts if asked, and passes them to `answer`.
Output inspect(const Arguments& arguments, const Host& host,
               const std::function<Output(const facts::Snapshot&, const report::Style&)>& answer);

}  // namespace hang::commands
