"""L2: two tasks take two asyncio.Locks in opposite order; main waits for both in gather(). Must be said: L2, Ctrl-C works.
Twin: n3_asyncio_lock_held.py.
"""

import asyncio
import os

import labkit


async def transfer(first, second, arrived, other):
    async with first:
        arrived.set()
        await other.wait()
        async with second:  # BLAME
            raise AssertionError("never both")


async def main():
    a, b = asyncio.Lock(), asyncio.Lock()
    here, there = asyncio.Event(), asyncio.Event()
    tasks = [asyncio.create_task(transfer(a, b, here, there)), asyncio.create_task(transfer(b, a, there, here))]
    while not all(lock._waiters for lock in (a, b)):
        await asyncio.sleep(0)
    labkit.ready(blame=os.getpid())
    await asyncio.gather(*tasks)


asyncio.run(main())
