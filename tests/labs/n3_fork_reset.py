"""N3, twin of s4_fork.py: the forked child puts back what it inherited from the parent's loop, then sleeps until a date."""

import asyncio
import ctypes
import os
import signal
import time

import labkit

PR_SET_PDEATHSIG = 1


def child():
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        labkit.ready(pid=os.getpid(), blame=os.getpid())
        time.sleep(1_000_000)
    finally:
        os._exit(1)


async def main():
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, print, "SIGINT in the parent's loop")
    pid = os.fork()
    if pid == 0:
        child()
    loop.add_reader(os.pidfd_open(pid), ended.set)
    await ended.wait()


asyncio.run(main())
