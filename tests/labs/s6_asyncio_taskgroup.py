"""S6 in a TaskGroup: a SIGINT cancels main, the group its children, one of which swallows that. Must be said: S6 and the
child's line. Twin: n3_asyncio_cleanup.py.
"""

import asyncio
import os

import labkit


async def stubborn():
    while True:
        try:
            await asyncio.sleep(1_000_000)  # BLAME
        except asyncio.CancelledError:
            pass


async def obedient():
    labkit.ready(blame=os.getpid())
    await asyncio.sleep(1_000_000)


async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(stubborn())
        group.create_task(obedient())


asyncio.run(main())
