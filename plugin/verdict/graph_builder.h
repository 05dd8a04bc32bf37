// GraphBuilder: from the facts and each thread's waits to the one wait-for graph.
#pragma once

#include "verdict/graph.h"
#include "verdict/process.h"

namespace hang::verdict {

class WaitGraph;

Graph build_graph(const Process& process, const WaitGraph& waits);

}  // namespace hang::verdict
