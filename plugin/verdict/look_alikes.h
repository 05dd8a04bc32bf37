// LookAlikes: the look-alike matrix of docs/shapes, made executable: which fact of this process says that it is not in
// a certain shape.
#pragma once

#include <map>
#include <string>

#include "facts/facts.h"

namespace hang::verdict {

// By the id of each shape that something excludes, why: "the GIL is free". What is not there is not excluded by a fact
// that was read, or not known to this version.
std::map<std::string, std::string> excluded_look_alikes(const facts::Snapshot& snapshot);

}  // namespace hang::verdict
