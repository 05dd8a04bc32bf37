// The build flavours of CPython.
#pragma once

namespace hang::cpython {

// Builds whose struct layouts differ: without options, --with-pydebug, --disable-gil.
enum class Flavour { release, debug, free_threaded };
const char* to_string(Flavour flavour);

}  // namespace hang::cpython
