// hang loops: the event loops, and their tasks as a tree.
#pragma once

#include <string>

#include "facts/facts.h"
#include "report/report.h"

namespace hang::report {

std::string loops_text(const facts::Snapshot& snapshot, const Style& style);

}  // namespace hang::report
