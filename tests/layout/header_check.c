// Checks one shipped layout table against one CPython's embedding headers: offsets, sizes and constants when this file
// is compiled, what only a running program can tell when HANG_CHECK is called. Compiled once per CPython and build
// flavour; in C, as CPython's internal headers are no C++.
//
// HANG_TABLE: the table to include; HANG_DEBUG: 1 for the debug columns; HANG_CHECK: name of the function.
#define NDEBUG 1
#include <Python.h>
#include <opcode.h>
#include <string.h>
#include <structmember.h>

#include "internal/pycore_ceval.h"
#include "internal/pycore_code.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_gil.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_moduleobject.h"
#include "internal/pycore_object.h"
#include "internal/pycore_pystate.h"
#include "internal/pycore_runtime.h"
#include "internal/pycore_signal.h"

#if PY_VERSION_HEX >= 0x030e0000
#include "internal/pycore_debug_offsets.h"
#include "internal/pycore_interpframe.h"
#include "internal/pycore_llist.h"
#include "internal/pycore_opcode_utils.h"
#include "internal/pycore_stackref.h"
#include "internal/pycore_tstate.h"
#endif

#ifdef Py_GIL_DISABLED
#define PICK(release, debug, free_threaded) (free_threaded)
#else
#define PICK(release, debug, free_threaded) (HANG_DEBUG ? (debug) : (release))
#endif
#define AGREE(what, ours, theirs) \
  _Static_assert((long long)(ours) == (long long)(theirs), what " differs from the header")

// The first pass: what the compiler can tell.
#define HANG_TYPE(t, header, r, d, f) AGREE("sizeof " #t " of " header, PICK(r, d, f), sizeof(t));
#define HANG_OPEN_TYPE(t, header, r, d, f)
#define HANG_FIELD(t, m, r, rs, d, ds, f, fs)                   \
  AGREE("offset of " #t "." #m, PICK(r, d, f), offsetof(t, m)); \
  AGREE("size of " #t "." #m, PICK(rs, ds, fs), sizeof(((t*)0)->m));
#define HANG_BITS(t, m, b, r, rw, d, dw, f, fw)
#define HANG_CONSTANT(name, r, d, f) AGREE(#name, PICK(r, d, f), name);
#define HANG_COMPUTED(name, expression, r, d, f)
#define HANG_OFFSET(place, at, t, m) AGREE("offset of _Py_DebugOffsets." #place, at, offsetof(_Py_DebugOffsets, place));
#define HANG_SIZE(place, at, t) AGREE("offset of _Py_DebugOffsets." #place, at, offsetof(_Py_DebugOffsets, place));
#include HANG_TABLE
#undef HANG_TYPE
#undef HANG_OPEN_TYPE
#undef HANG_FIELD
#undef HANG_BITS
#undef HANG_CONSTANT
#undef HANG_COMPUTED
#undef HANG_OFFSET
#undef HANG_SIZE

// True if `member`, zero but for one bit-field of ones, has its ones exactly there.
static int bits_are(const void* member, unsigned long size, long first, long width) {
  const unsigned char* bytes = member;
  for (long bit = 0; bit < (long)size * 8; ++bit)
    if ((bytes[bit / 8] >> bit % 8 & 1) != (bit >= first && bit < first + width)) return 0;
  return 1;
}

// The second pass: what a running program can tell. Counts every row.
#define FAKE ((PyObject*)0x10000)
#define HANG_TYPE(t, header, r, d, f) ++rows;
#define HANG_OPEN_TYPE(t, header, r, d, f) ++rows;
#define HANG_FIELD(t, m, r, rs, d, ds, f, fs) ++rows;
#define HANG_BITS(t, m, b, r, rw, d, dw, f, fw)                                                          \
  {                                                                                                      \
    t value;                                                                                             \
    memset(&value, 0, sizeof value);                                                                     \
    value.m.b = ~0u;                                                                                     \
    ++rows;                                                                                              \
    if (!bits_are(&value.m, sizeof value.m, PICK(r, d, f), PICK(rw, dw, fw))) return #t "." #m "." #b; \
  }
#define HANG_CONSTANT(name, r, d, f) ++rows;
#define HANG_COMPUTED(name, expression, r, d, f) \
  ++rows;                                        \
  if ((long)(expression) != PICK(r, d, f)) return #name;
#define HANG_OFFSET(place, at, t, m) ++rows;
#define HANG_SIZE(place, at, t) ++rows;

// Returns the name of the first row that differs, or NULL and the number of rows.
const char* HANG_CHECK(int* count);
const char* HANG_CHECK(int* count) {
  int rows = 0;
#include HANG_TABLE
  *count = rows;
  return NULL;
}
