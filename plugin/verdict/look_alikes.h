// LookAlikes: the look-alike matrix of docs/shapes, made executable: which fact of this process says that it is not in
// a certain shape.
#pragma once

#include <string>
#include <string_view>

#include "facts/facts.h"

namespace hang::verdict {

// "the GIL is free"; "" if nothing that was read excludes the shape, or this version does not know it.
std::string excluded_because(const facts::Snapshot& snapshot, std::string_view id);

}  // namespace hang::verdict
