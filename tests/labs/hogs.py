"""What a lab runs in a thread or in a subinterpreter: calls that keep the GIL, some that do not, and threads that their
interpreter's end must join.

Each hog waits until the main thread is where the lab says, and says READY itself immediately before the call: while it
holds the GIL nobody else in the process can.
"""

import os
import re
import time

from labkit import EPOLL, NANOSLEEP, await_syscall, ready

ENDLESS = re.compile(r"(a+)+$")  # 2**64 steps on the text below, with the GIL held and no way to interrupt
TEXT = "a" * 64 + "b"


def own_tid():
    return int(os.readlink("/proc/thread-self").rsplit("/", 1)[1])


def await_main(where):
    await_syscall(os.getpid(), {"epoll": EPOLL, "sleep": NANOSLEEP}[where])


def leave_signals_to_main():
    """The kernel gives a signal to another thread while the main one has one pending; that would end a sleep or pause."""
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def regex(main_in="epoll", announce=True):
    await_main(main_in)
    if announce:
        ready(blame=own_tid())
    ENDLESS.match(TEXT)  # BLAME


def native_sleep(main_in="epoll"):
    import ctypes

    sleep = ctypes.PyDLL(None).sleep  # PyDLL, unlike CDLL, keeps the GIL during the call
    leave_signals_to_main()
    await_main(main_in)
    ready(blame=own_tid())
    sleep(1_000_000)  # BLAME


def native_pause(main_in="epoll"):
    import ctypes

    pause = ctypes.PyDLL(None).pause
    leave_signals_to_main()
    await_main(main_in)
    ready(blame=own_tid())
    pause()  # BLAME


def python_loop(main_in="epoll"):
    await_main(main_in)
    ready(blame=own_tid())
    while True: pass  # BLAME (one line, whichever instruction it is at)  # fmt: skip


def spin():
    while True:
        pass


def park():
    time.sleep(1_000_000)


def hold(lock, held, nap):
    """Keeps `lock` for good. Not in the script itself, whose globals a frame of it would keep alive at finalization."""
    with lock:
        held.set()
        while True:
            time.sleep(nap)


def answer(asked, answered):
    while True:
        answered.put(asked.get())


def consume(queue):
    queue.get()  # BLAME


# --- threads that the end of their interpreter must join ---------------------------------------------------------


def leave(function, name):
    """Starts a thread of this interpreter that calls FUNCTION(). READY is said by the thread that is about to join it."""
    import sys
    import threading

    thread = threading.Thread(target=globals()[function], name=name, daemon=False)  # a driver's would inherit "daemon"

    def ending():
        if thread.ident is None:
            thread.start()
        ready(blame=thread.native_id)

    threading._register_atexit(ending)
    if sys.version_info >= (3, 12):  # before, destroy() refuses an interpreter that has a thread already
        thread.start()


def wait():
    import threading

    threading.Event().wait()  # BLAME


def sleep_until_a_date():
    time.sleep(3600)


def count():
    for _ in range(10**15):
        pass
