"""L9: an item was put into the queue behind its back, so that the getter was not woken. Must be said: L9, Ctrl-C works.
Twin: n3_asyncio_lock_held.py.
"""

import asyncio
import os

import labkit


async def stuff(queue):
    while not queue._getters:
        await asyncio.sleep(0)
    queue._queue.append(1)
    labkit.ready(blame=os.getpid())


async def main():
    queue = asyncio.Queue()
    stuffing = asyncio.create_task(stuff(queue))
    await queue.get()  # BLAME
    await stuffing


asyncio.run(main())
