"""S4 after a fork inside a running loop: the child's SIGINT handler is the loop's no-op. The byte that should wake the loop
goes to the parent's (3.11), or nowhere, the wakeup fd being reset to -1 (3.12 and later). Must be said of the child: S4,
step 4. Twin: n3_fork_reset.py.
"""

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
