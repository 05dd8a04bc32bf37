"""L3: a coroutine takes a threading.Lock that is held already, on the loop's thread. Ctrl-C: the second one. Must be
said: L3 and the line. Twin: n3_asyncio_executor.py (waits in a worker thread).
"""

import asyncio
import os
import threading

import labkit

lock = threading.Lock()


async def main():
    lock.acquire()
    labkit.ready(blame=os.getpid())
    lock.acquire()  # BLAME


asyncio.run(main())
