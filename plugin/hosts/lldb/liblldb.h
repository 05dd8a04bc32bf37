// Liblldb: making the symbols of the LLDB that loads us visible to us.
#pragma once

namespace hang::lldb_host {

// The plugin leaves the lldb:: symbols undefined. They are found in the global scope, where `lldb` and lldb-dap have
// liblldb; a Python that imported the lldb module has it in a scope of its own, from where this moves it. Must be the
// first thing done (binding is lazy). False if this process has no liblldb at all.
bool make_liblldb_global();

}  // namespace hang::lldb_host
