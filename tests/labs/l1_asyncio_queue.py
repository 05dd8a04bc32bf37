"""L1 orphaned-channel-park: main awaits an asyncio.Queue whose producer ended without saying so. Nothing is registered in
the loop but its own wakeup pair, no timer, no thread. Must be said: L1, seed class 2, Ctrl-C works.
Twin: n3_asyncio_server.py.
"""

import asyncio
import os

import labkit


async def produce(queue):
    await queue.put(1)


async def main():
    queue = asyncio.Queue()
    producer = asyncio.create_task(produce(queue))
    assert await queue.get() == 1
    await producer
    labkit.ready(blame=os.getpid())
    await queue.get()


asyncio.run(main())
