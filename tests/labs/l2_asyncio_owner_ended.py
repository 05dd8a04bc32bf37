"""L2: a task took an asyncio.Lock, failed, and never released it; main waits for the lock. Must be said: L2, Ctrl-C
works. Twin: n3_asyncio_lock_held.py.
"""

import asyncio
import os

import labkit


async def fail(lock):
    await lock.acquire()
    raise ValueError("and the lock stays locked")


async def main():
    lock = asyncio.Lock()
    await asyncio.gather(asyncio.create_task(fail(lock)), return_exceptions=True)
    labkit.ready(blame=os.getpid())
    async with lock:  # BLAME
        pass


asyncio.run(main())
