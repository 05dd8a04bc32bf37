"""N3: main waits for a lock whose holder sleeps and then releases it. Twin of l2_asyncio_locks.py and l9_asyncio_lock.py."""

import asyncio

import labkit


async def hold(lock):
    async with lock:
        while not lock._waiters:
            await asyncio.sleep(0)
        labkit.ready()
        await asyncio.sleep(600)


async def main():
    lock = asyncio.Lock()
    holder = asyncio.create_task(hold(lock))
    await asyncio.sleep(0)
    async with lock:
        await holder


asyncio.run(main())
