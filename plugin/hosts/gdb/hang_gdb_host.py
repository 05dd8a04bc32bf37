"""The GDB host of hang, which hang_gdb.py loads.

All that is decided is decided in libhang_gdb.so, which lies beside this file; here GDB's commands are made of the
library's list, and the library's questions (hang_gdb.h) are answered with GDB's Python API.
"""

import ctypes
import os

import gdb

ABI = 1
FAILED, OK, ABSENT, INTERRUPTED = 0, 1, -1, -2
MAX_DEPTH = 16  # no C struct nests deeper
ARGUMENT_REGISTERS = ("rdi", "rsi", "rdx", "r10", "r8", "r9")

U64, I64, TEXT, POINTER = ctypes.c_uint64, ctypes.c_int64, ctypes.c_char_p, ctypes.c_void_p


class Thread(ctypes.Structure):
    _fields_ = [
        ("tid", U64),
        ("has_registers", U64),
        ("pc", U64),
        ("sp", U64),
        ("orig_rax", I64),
        ("rax", I64),
        ("args", U64 * 6),
    ]


READ = ctypes.CFUNCTYPE(I64, POINTER, U64, POINTER, U64)
THREADS = ctypes.CFUNCTYPE(I64, POINTER, ctypes.POINTER(Thread), U64)
MEMBER = ctypes.CFUNCTYPE(I64, POINTER, TEXT, TEXT, ctypes.POINTER(U64), ctypes.POINTER(U64))
SYMBOL = ctypes.CFUNCTYPE(I64, POINTER, U64, POINTER, U64)
MAPPINGS = ctypes.CFUNCTYPE(I64, POINTER, POINTER, U64)
STACK = ctypes.CFUNCTYPE(I64, POINTER, U64, ctypes.POINTER(U64), U64)


class Debugger(ctypes.Structure):
    _fields_ = [
        ("abi", U64),
        ("size", U64),
        ("context", POINTER),
        ("pid", U64),
        ("running", U64),
        ("connection", TEXT),
        ("core_file", TEXT),
        ("target_info", TEXT),
        ("executable", TEXT),
        ("sysroot", TEXT),
        ("read", READ),
        ("threads", THREADS),
        ("member", MEMBER),
        ("symbol", SYMBOL),
        ("mappings", MAPPINGS),
        ("stack", STACK),
    ]


class Result(ctypes.Structure):
    _fields_ = [("out", TEXT), ("err", TEXT), ("exit_code", I64)]


class Listed(ctypes.Structure):
    _fields_ = [("name", TEXT), ("summary", TEXT), ("help", TEXT), ("flags", TEXT)]


def load_library():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libhang_gdb.so")
    try:
        library = ctypes.CDLL(path)
        library.hang_gdb_abi.restype = U64
        abi = library.hang_gdb_abi()
    except (OSError, AttributeError) as error:
        raise gdb.GdbError(f"hang: {path} cannot be loaded: {error}") from None
    if abi != ABI:
        raise gdb.GdbError("hang: hang_gdb_host.py and libhang_gdb.so are of different versions: use those of one build")
    library.hang_gdb_commands.restype = ctypes.POINTER(Listed)
    library.hang_gdb_commands.argtypes = [ctypes.POINTER(U64)]
    library.hang_gdb_run.restype = ctypes.POINTER(Result)
    library.hang_gdb_run.argtypes = [ctypes.POINTER(Debugger), U64, ctypes.POINTER(TEXT), I64, I64]
    library.hang_gdb_free.restype = None
    library.hang_gdb_free.argtypes = [ctypes.POINTER(Result)]
    return library


def encoded(text):
    return (text or "").encode("utf-8", "surrogateescape")


def asked(command):
    return gdb.execute(command, from_tty=False, to_string=True)


class Selection:
    """The user's thread and frame, which are again as they were after the `with`."""

    def __enter__(self):
        self.thread = gdb.selected_thread()
        try:
            self.frame = gdb.selected_frame()
        except gdb.error:
            self.frame = None

    def __exit__(self, *exception):
        if self.thread is not None and self.thread.is_valid():
            self.thread.switch()
            if self.frame is not None and self.frame.is_valid():
                self.frame.select()


def find_field(found, name, depth=MAX_DEPTH):
    """The bit offset and type of a member, also of one in an anonymous struct; None if there is none."""
    found = found.strip_typedefs()
    if depth == 0 or found.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        return None
    for field in found.fields():
        if not hasattr(field, "bitpos"):  # static
            continue
        if field.name == name:
            return field.bitpos, field.type
        inner = None if field.name else find_field(field.type, name, depth - 1)
        if inner:
            return field.bitpos + inner[0], inner[1]
    return None


def find_type(name):
    """A struct or union with members; gdb.error if there is no debug information for it."""
    for spelled in (name, "struct " + name):
        try:
            found = gdb.lookup_type(spelled).strip_typedefs()
        except gdb.error:
            continue
        if found.code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION) and found.fields():
            return found
    raise gdb.error("no debug information for " + name)


def put_text(text, out, capacity):
    data = encoded(text)
    ctypes.memmove(out, data, min(len(data), capacity))
    return len(data)


class Session:
    """The answers to the library's questions during one command."""

    def __init__(self):
        self.inferior = gdb.selected_inferior()
        self.problem = None  # what went wrong in here, which is never the target's fault

    def guarded(self, kind, answer):
        """`answer` as a callback: nothing that it raises gets out of it."""

        def callback(_context, *arguments):
            try:
                return answer(*arguments)
            except KeyboardInterrupt:
                return INTERRUPTED
            except gdb.error:  # gdb.MemoryError too
                return FAILED
            except Exception as error:
                self.problem = self.problem or f"{type(error).__name__}: {error}"
                return FAILED

        return kind(callback)

    def describe(self):
        """The struct of the C ABI. It must live as long as its callbacks may be called."""
        connection = getattr(self.inferior, "connection", None)
        kind = connection.type if connection is not None else ""
        core = getattr(self.inferior, "corefile", None)  # GDB 17
        debugger = Debugger()
        debugger.abi = ABI
        debugger.size = ctypes.sizeof(Debugger)
        debugger.pid = max(self.inferior.pid, 0)
        debugger.running = any(thread.is_running() for thread in self.inferior.threads())
        debugger.connection = encoded(kind)
        debugger.core_file = encoded(core.filename if core is not None else "")
        debugger.target_info = encoded(asked("info target") if kind == "core" and core is None else "")
        debugger.executable = encoded(self.inferior.progspace.filename)
        debugger.sysroot = encoded(gdb.parameter("sysroot"))
        debugger.read = self.guarded(READ, self.read)
        debugger.threads = self.guarded(THREADS, self.threads)
        debugger.member = self.guarded(MEMBER, self.member)
        debugger.symbol = self.guarded(SYMBOL, self.symbol)
        debugger.mappings = self.guarded(MAPPINGS, self.mappings)
        debugger.stack = self.guarded(STACK, self.stack)
        return debugger

    def read(self, address, out, size):
        data = self.inferior.read_memory(address, size)
        ctypes.memmove(out, bytes(data), size)
        return size

    def threads(self, out, capacity):
        threads = sorted(self.inferior.threads(), key=lambda thread: thread.num)
        if capacity:
            with Selection():
                for index, thread in enumerate(threads[:capacity]):
                    self.fill(out[index], thread)
        return len(threads)

    @staticmethod
    def fill(entry, thread):
        entry.tid = thread.ptid[1]
        try:
            thread.switch()
            frame = gdb.newest_frame()
            values = [int(frame.read_register(name)) for name in ("pc", "rsp", "orig_rax", "rax", *ARGUMENT_REGISTERS)]
        except (gdb.error, ValueError):  # a running thread; another architecture
            return
        # ctypes takes the low 64 bits of any integer.
        entry.pc, entry.sp, entry.orig_rax, entry.rax = values[:4]
        entry.args[:] = values[4:]
        entry.has_registers = 1

    @staticmethod
    def member(type_name, path, offset, size):
        current, bits = find_type(type_name.decode()), 0
        for name in path.decode().split("."):
            found = find_field(current, name)
            if found is None:
                return ABSENT
            bits, current = bits + found[0], found[1]
        offset[0], size[0] = bits // 8, current.sizeof
        return OK

    @staticmethod
    def symbol(pc, out, capacity):
        return put_text(asked(f"info symbol {pc:#x}"), out, capacity)

    @staticmethod
    def mappings(out, capacity):
        return put_text(asked("info proc mappings"), out, capacity)

    def stack(self, tid, pcs, capacity):
        count = 0
        with Selection():
            next(thread for thread in self.inferior.threads() if thread.ptid[1] == tid).switch()
            frame = gdb.newest_frame()
            while frame is not None and count < capacity:
                if frame.type() != gdb.INLINE_FRAME:
                    pcs[count] = frame.pc()
                    count += 1
                frame = frame.older()
        return count


def write(text, stream=gdb.STDOUT):
    """Never stops at a page: a script, or the reader's scrollback, gets all of it."""
    paged = gdb.parameter("pagination")
    if paged:
        asked("set pagination off")
    try:
        gdb.write(text, stream)
    except UnicodeEncodeError:  # LC_ALL=C
        gdb.write(text.encode("ascii", "replace").decode(), stream)
    finally:
        if paged:
            asked("set pagination on")


def colored():
    try:
        return bool(gdb.parameter("style enabled")) and os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"
    except RuntimeError:  # an older GDB
        return False


def run(words):
    """Prints what the command has to say; raises gdb.GdbError if it failed, which a hang that was named is not."""
    session = Session()
    debugger = session.describe()
    argv = (TEXT * len(words))(*[encoded(word) for word in words])
    result = LIBRARY.hang_gdb_run(ctypes.byref(debugger), len(words), argv, gdb.parameter("width") or 0, colored())
    if not result:
        raise gdb.GdbError("hang: out of memory")
    try:
        out, err = (text.decode("utf-8", "replace") for text in (result[0].out, result[0].err))
        code = result[0].exit_code
    finally:
        LIBRARY.hang_gdb_free(result)
    if session.problem:
        err = f"hang: hang_gdb_host.py: {session.problem}\n{err}"
    if out:
        write(out)
    if code == 2:
        raise gdb.GdbError(err.rstrip("\n"))
    if err:
        write(err, gdb.STDERR)


class Prefix(gdb.Command):
    """Names why a CPython process hangs, with the evidence. Start with `hang classify`."""

    def __init__(self):
        super().__init__("hang", gdb.COMMAND_STATUS, gdb.COMPLETE_NONE, True)

    def invoke(self, arguments, _from_tty):
        self.dont_repeat()
        run(gdb.string_to_argv(arguments))


class HangCommand(gdb.Command):
    def __init__(self, name, flags):
        self.name, self.flags = name, flags
        super().__init__("hang " + name, gdb.COMMAND_STATUS)

    def invoke(self, arguments, _from_tty):
        self.dont_repeat()
        run([self.name, *gdb.string_to_argv(arguments)])

    def complete(self, text, word):
        """GDB replaces `word`, which begins after the last "-"; a flag is matched from its first one."""
        begun = text.rsplit(None, 1)[-1] if text and not text[-1].isspace() else ""
        if begun and not begun.startswith("-"):
            return gdb.COMPLETE_FILENAME
        if word is None:  # GDB only asks how words are told apart
            return []
        given = len(begun) - len(word)
        return [flag[given:] for flag in self.flags if flag.startswith(begun)]


def register():
    count = U64()
    listed = LIBRARY.hang_gdb_commands(ctypes.byref(count))
    Prefix()
    for index in range(count.value):
        name, text, flags = (data.decode() for data in (listed[index].name, listed[index].help, listed[index].flags))
        # GDB shows a command's class comment as its help.
        type("HangCommand", (HangCommand,), {"__doc__": text.rstrip("\n")})(name, flags.split())


LIBRARY = load_library()
register()
