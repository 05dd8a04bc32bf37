// Page: the table of causes as one HTML file that needs no other.
#pragma once

#include <string>
#include <vector>

#include "batch/groups.h"

namespace hang::batch {

// Deterministic: no time of its own in it.
std::string page_html(const std::vector<Group>& groups, const Rows& rows);

}  // namespace hang::batch
