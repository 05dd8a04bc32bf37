"""N3: the lock that a task waits for is held by one that sleeps for an hour. Twin of l2_anyio_locks.py."""

import anyio

import labkit


async def hold(lock):
    async with lock:
        await anyio.sleep(3600)


async def main():
    lock = anyio.Lock()
    async with anyio.create_task_group() as group:
        group.start_soon(hold, lock)
        for _ in range(5):
            await anyio.sleep(0)
        labkit.ready()
        async with lock:
            pass


anyio.run(main)
