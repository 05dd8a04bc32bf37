"""L2 beside tasks that go on: two tasks in a circle of locks, main waits for them in a task group, another task beats
every 20 ms and a server listens. Must be said: L2. Twin: n3_asyncio_lock_timeout.py.
"""

import asyncio
import os

import labkit


async def beat():
    while True:
        await asyncio.sleep(0.02)


async def move(mine, theirs, meeting):
    async with mine:
        meeting.append(mine)
        while len(meeting) < 2:
            await asyncio.sleep(0)
        await theirs.acquire()  # BLAME


async def main():
    a, b, meeting = asyncio.Lock(), asyncio.Lock(), []
    heart = asyncio.create_task(beat())
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(move(a, b, meeting))
        group.create_task(move(b, a, meeting))
        while not all(lock._waiters for lock in (a, b)):
            await asyncio.sleep(0)
        labkit.ready(blame=os.getpid())
    heart.cancel()
    server.close()


asyncio.run(main())
