"""N3: the circle of l2_asyncio_locks.py, but one of the two has a timeout and will step back."""

import asyncio

import labkit


async def move(mine, theirs, meeting, limit):
    async with mine:
        meeting.append(mine)
        while len(meeting) < 2:
            await asyncio.sleep(0)
        async with asyncio.timeout(limit):
            await theirs.acquire()


async def main():
    a, b, meeting = asyncio.Lock(), asyncio.Lock(), []
    async with asyncio.TaskGroup() as group:
        group.create_task(move(a, b, meeting, 600))
        group.create_task(move(b, a, meeting, None))
        while not all(lock._waiters for lock in (a, b)):
            await asyncio.sleep(0)
        labkit.ready()


asyncio.run(main())
