// JSON form of the facts: written by `hang classify --save-facts FILE`, read by `hang classify --facts FILE`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "facts/facts.h"

namespace hang::facts {

nlohmann::ordered_json to_json_value(const Snapshot& snapshot);
std::string to_json_text(const Snapshot& snapshot);

// Errors: `io` with the position for text that is not JSON, a wrong type, or a schema_version this build does not know.
Result<Snapshot> from_json_text(std::string_view text);

}  // namespace hang::facts
