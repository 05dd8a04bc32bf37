// JSON form of the facts: written by `hang classify --save-facts FILE`, read by `hang classify --facts FILE`.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "facts/facts.h"

namespace hang::facts {

// The whole model, one member a line where it nests; keys are the members' names.
std::string to_json_text(const Snapshot& snapshot);

// Errors: `io` with the position for text that is not JSON, a wrong type, an unknown name of an enumeration, or a
// schema_version that this build does not know. Members that are missing keep their defaults ("not read").
Result<Snapshot> from_json_text(std::string_view text);

}  // namespace hang::facts
