"""L3 with trio: a task takes a threading.Lock that is held already; trio's SIGINT handler raises in it, so one Ctrl-C
ends it. Must be said: L3 and the line. Twin: n3_trio_sleep.py.
"""

import os
import threading

import labkit

trio = labkit.import_trio()
lock = threading.Lock()


async def main():
    lock.acquire()
    labkit.ready(blame=os.getpid())
    lock.acquire()  # BLAME


trio.run(main)
