// Holds a report to what labs.json says of the lab.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "lab.h"

namespace hang::test {

// GoogleTest expectations, each failure in words. `exit_code` too, where the host has one (the CLI).
void expect_verdict(const nlohmann::json& report, const Expectation& expect, const RunningLab& lab);
// The exit code that goes with an id: 0 for N shapes, 1 for a named hang, 3 for undetermined.
int exit_code_of(const nlohmann::json& report);

}  // namespace hang::test
