// hang channels as text.
#pragma once

#include <string>

#include "facts/facts.h"
#include "report/report.h"

namespace hang::report {

std::string channels_text(const facts::Snapshot& snapshot, const Style& style);

}  // namespace hang::report
