"""What the labs share: the READY line, waiting for kernel facts, trio-sized wakeup pairs, and subinterpreters under
the name that each CPython gives them (3.11 and 3.12: _xxsubinterpreters, 3.13: _interpreters).

Imported by subinterpreters too (see `start`), so it needs nothing that an isolated one could not import.
"""

import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# Linux x86-64 system call numbers.
EPOLL = {232, 281}
NANOSLEEP = {35, 230}
READ = {0}
WRITE = {1}
ACCEPT = {43, 288}
SEND = {44, 46}
FUTEX = {202}


def ready(**facts):
    """Says that the state claimed is here, or will be as soon as its threads sleep (labs.json, "settle"). `blame` is the
    thread that the verdict must blame, `other` one more that must come to rest, `fd` the descriptor it
    must name, `pid` the process to look at when that is not the one started."""
    words = "".join(f" {name}={value}" for name, value in facts.items())
    os.write(1, f"READY{words}\n".encode())


def await_syscall(tid, numbers, process="self", deadline=30.0):
    """Returns once thread `tid` (of this process) is blocked in one of the system calls `numbers`."""
    until = time.monotonic() + deadline
    while True:
        with open(f"/proc/{process}/task/{tid}/syscall") as file:
            word = file.read().split()[0]
        if word.isdigit() and int(word) in numbers:
            return
        assert time.monotonic() < until, f"thread {tid} is in {word}, not in any of {numbers}"
        time.sleep(0.001)


def await_zombie(pid, deadline=30.0):
    """Returns once the child has ended; it stays a zombie."""
    until = time.monotonic() + deadline
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        assert time.monotonic() < until, f"child {pid} lives"
        time.sleep(0.001)


def await_child(pid, deadline=30.0):
    """The pid of the first child of process `pid`, once it has one."""
    until = time.monotonic() + deadline
    while True:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = file.read().split()
        if children:
            return int(children[0])
        assert time.monotonic() < until, f"process {pid} has no child"
        time.sleep(0.001)


def await_sleeper(deadline=30.0):
    """Returns once a `sleep` of this process group, whoever started it, sleeps: before, it is still being loaded."""
    until = time.monotonic() + deadline
    while True:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as file:
                    name, _, rest = file.read().rpartition(")")
            except OSError:
                continue  # it has ended
            if name.endswith("(sleep") and int(rest.split()[2]) == os.getpgrp():
                return await_syscall(pid, NANOSLEEP, process=pid)
        assert time.monotonic() < until, "no sleep of this process group"
        time.sleep(0.001)


def ready_when_child_ended():
    """Says READY from a thread once this process has a child that has ended (which stays a zombie) and has left a `sleep`
    behind, and ends."""
    import threading

    def watch():
        until = time.monotonic() + 30
        while True:
            assert time.monotonic() < until, "no child has ended"
            try:
                if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                    break
            except ChildProcessError:
                pass
            time.sleep(0.001)
        await_sleeper()
        ready()

    threading.Thread(target=watch, daemon=True).start()


def await_futex(tid, word, deadline=30.0):
    """Returns once thread `tid` is blocked on the futex in the ctypes buffer `word`, e.g. a pthread mutex."""
    import ctypes

    until = time.monotonic() + deadline
    while True:
        with open(f"/proc/self/task/{tid}/syscall") as file:
            words = file.read().split()
        if words[0] == "202" and 0 <= int(words[1], 16) - ctypes.addressof(word) < ctypes.sizeof(word):
            return
        assert time.monotonic() < until, f"thread {tid} is in {words}"
        time.sleep(0.001)


def await_frozen(tid, deadline=30.0):
    """Returns once finalization has ended thread `tid` of this process (up to 3.13) or has parked it in pause() (3.14)."""
    until = time.monotonic() + deadline
    word = [b""]
    while word and word != [b"34"]:
        assert time.monotonic() < until, f"thread {tid} is in {word}"
        time.sleep(0.001)
        try:
            fd = os.open(f"/proc/self/task/{tid}/syscall", os.O_RDONLY)
            try:
                word = os.read(fd, 64).split()[:1]
            finally:
                os.close(fd)
        except (FileNotFoundError, ProcessLookupError):
            return


def trio_wakeup_pair():
    """A wakeup pair made as trio makes its own (trio/_core/_wakeup_socketpair.py): six one-byte sends fill it."""
    import signal
    import socket

    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    sent = 0
    try:
        while True:
            sent += writer.send(b"\0")
    except BlockingIOError:
        assert sent == 6, f"capacity {sent}, not trio's six"
    assert len(reader.recv(64)) == 6
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    return reader, writer


def epoll_for_ever(reader):
    """An event loop of its own: waits for the wakeup fd only, and empties it."""
    import select

    epoll = select.epoll()
    epoll.register(reader, select.EPOLLIN)
    while True:
        epoll.poll()
        reader.recv(65536)


def import_trio():
    """trio from the path, or Debian's for another minor. Debian's 0.22 cannot wrap 3.13's pathlib.PurePath.parser (a
    module, not a property), so that it is one while trio is imported."""
    import pathlib

    sys.path.append("/usr/lib/python3/dist-packages")
    parser = getattr(pathlib.PurePath, "parser", None)
    if parser is not None:
        pathlib.PurePath.parser = property(lambda self: parser)
    try:
        import trio
    finally:
        if parser is not None:
            pathlib.PurePath.parser = parser
    return trio


# --- subinterpreters ---------------------------------------------------------------------------------------------


def create(kind):
    """A new interpreter, "legacy" (shares the main interpreter's GIL) or "isolated" (its own GIL from 3.12 on)."""
    if sys.version_info >= (3, 13):
        import _interpreters

        return _interpreters.create(kind)
    import _xxsubinterpreters

    return _xxsubinterpreters.create(isolated=(kind == "isolated"))


def execute(interpreter, code):
    if sys.version_info >= (3, 13):
        import _interpreters

        failure = _interpreters.exec(interpreter, code)
        assert failure is None, failure
    else:
        import _xxsubinterpreters

        _xxsubinterpreters.run_string(interpreter, code)


def destroy(interpreter):
    if sys.version_info >= (3, 13):
        import _interpreters

        _interpreters.destroy(interpreter)
    else:
        import _xxsubinterpreters

        _xxsubinterpreters.destroy(interpreter)


def start(interpreter, function, name, *args):
    """Starts a daemon thread `name` that calls hogs.FUNCTION(*args) in that interpreter."""
    import threading

    arguments = ", ".join(map(repr, args))
    code = f"import sys; sys.path.insert(0, {HERE!r}); import hogs; hogs.{function}({arguments})"
    thread = threading.Thread(target=execute, args=(interpreter, code), name=name, daemon=True)
    thread.start()
    return thread


def close_with_thread(kind, function, name):
    """Makes an interpreter, leaves the thread `name` in it, which calls hogs.FUNCTION(), and closes it."""
    interpreter = create(kind)
    execute(interpreter, f"import sys; sys.path.insert(0, {HERE!r}); import hogs; hogs.leave({function!r}, {name!r})")
    destroy(interpreter)


def park_innocents(count=3, kind="legacy"):
    """Interpreters that sleep with the GIL released, each on a thread of its own; returns once all do."""
    for number in range(count):
        thread = start(create(kind), "park", f"parked-{number}")
        await_syscall(thread.native_id, NANOSLEEP)
