"""What a lab runs in a thread or in a subinterpreter: calls that keep the GIL, and one that does not.

Each waits until the main thread is where the lab says, and says READY itself immediately before the call: while it
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
