// The C ABI of libhang_gdb.so: what hang_gdb_host.py, running in GDB's Python, calls and answers. The library neither
// links nor includes GDB or Python, so one binary serves every GDB.
//
// A caller fills a hang_gdb_debugger, calls hang_gdb_run, prints the result and frees it. The callbacks are called
// during hang_gdb_run only, on the thread that called it. They must not throw and may lie: nothing they return is
// trusted. No exception leaves the library. All text is UTF-8 and ends with a zero byte.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)
// NOLINTBEGIN(readability-identifier-naming): names as C has them

// Changes whenever anything below does.
#define HANG_GDB_ABI 1

// What a callback may return instead of a count or of 1 for success.
enum {
  HANG_GDB_FAILED = 0,
  HANG_GDB_ABSENT = -1,      // of `member`: the type is known and has no such member
  HANG_GDB_INTERRUPTED = -2  // Ctrl-C: no callback is called any more, and the command ends
};

typedef struct hang_gdb_thread {
  uint64_t tid;            // of the kernel
  uint64_t has_registers;  // 0: those below say nothing
  uint64_t pc, sp;
  int64_t orig_rax;  // the system call; negative = in none
  int64_t rax;
  uint64_t args[6];  // rdi rsi rdx r10 r8 r9
} hang_gdb_thread;

typedef struct hang_gdb_debugger {
  uint64_t abi;   // HANG_GDB_ABI
  uint64_t size;  // of this struct
  void* context;  // passed to each callback

  // The selected inferior. A text may be null or empty: not known.
  uint64_t pid;             // 0 = no process
  uint64_t running;         // nonzero: some thread of it runs
  const char* connection;   // gdb.TargetConnection.type: "native", "core", "remote", ...
  const char* core_file;    // the core that is loaded, if GDB tells
  const char* target_info;  // else what `info target` says of it
  const char* executable;   // the program that GDB has loaded
  const char* sysroot;      // `show sysroot`

  // Any of them may be null.

  // Reads memory; the number of leading bytes of [address, address + size) that are there.
  int64_t (*read)(void* context, uint64_t address, void* out, uint64_t size);
  // Fills at most `capacity` threads; how many there are.
  int64_t (*threads)(void* context, hang_gdb_thread* out, uint64_t capacity);
  // The place of `path` ("ceval.gil") in struct `type` by debug information; 1 on success.
  int64_t (*member)(void* context, const char* type, const char* path, uint64_t* offset, uint64_t* size);
  // What `info symbol` says of a code address. At most `capacity` bytes are filled; how long the text is.
  int64_t (*symbol)(void* context, uint64_t pc, char* out, uint64_t capacity);
  // What `info proc mappings` says; as `symbol`.
  int64_t (*mappings)(void* context, char* out, uint64_t capacity);
  // The native stack of a thread, innermost first, inlined frames left out; the number of frames filled.
  int64_t (*stack)(void* context, uint64_t tid, uint64_t* pcs, uint64_t capacity);
} hang_gdb_debugger;

typedef struct hang_gdb_result {
  const char *out, *err;
  int64_t exit_code;  // 0 no hang, 1 a hang was named, 2 usage or target unreadable, 3 undetermined
} hang_gdb_result;

typedef struct hang_gdb_command {
  const char *name, *summary;
  const char* help;   // what `hang help NAME` says
  const char* flags;  // its options, separated by blanks: "--format -v --verbose"
} hang_gdb_command;

// HANG_GDB_ABI of the library.
uint64_t hang_gdb_abi(void);

// The commands, `*count` of them. They live as long as the library. Null if there is no memory.
const hang_gdb_command* hang_gdb_commands(uint64_t* count);

// Runs `hang ARGV...` (without the word hang). `width` in columns, 0 = unknown; `color`: what `--color auto` means.
// Free the result with hang_gdb_free. Null if there is no memory.
const hang_gdb_result* hang_gdb_run(const hang_gdb_debugger* debugger, uint64_t argc, const char* const* argv,
                                    int64_t width, int64_t color);
void hang_gdb_free(const hang_gdb_result* result);

// NOLINTEND(readability-identifier-naming)
#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
