"""L9: the release of a lock forgets its waiter, as a broken primitive does. The lock is free and main waits for it. Must be
said: L9, Ctrl-C works. Twin: n3_asyncio_lock_held.py.
"""

import asyncio
import os

import labkit


class ForgetfulLock(asyncio.Lock):
    def release(self):
        self._locked = False


async def hold(lock):
    async with lock:
        while not lock._waiters:
            await asyncio.sleep(0)
    labkit.ready(blame=os.getpid())


async def main():
    lock = ForgetfulLock()
    holder = asyncio.create_task(hold(lock))
    await asyncio.sleep(0)
    async with lock:  # BLAME
        await holder


asyncio.run(main())
