// The parts of JSON output that every command shares.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "facts/facts.h"

namespace hang::report {

nlohmann::ordered_json target_json(const facts::Snapshot& snapshot);
nlohmann::ordered_json gaps_json(const std::vector<facts::Gap>& gaps);
// Pretty-printed; bytes that are not UTF-8 (names from the target) are replaced.
std::string dump(const nlohmann::ordered_json& j);

}  // namespace hang::report
