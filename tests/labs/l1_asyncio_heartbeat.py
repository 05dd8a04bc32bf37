"""L1 in a loop that goes on for others: main awaits a queue whose producer has ended, another task beats every 20 ms and a
server listens. Must be said: L1, Ctrl-C works. Twin: n3_asyncio_server_feeds.py.
"""

import asyncio
import os

import labkit


async def beat():
    while True:
        await asyncio.sleep(0.02)


async def produce(queue):
    await queue.put(1)


async def main():
    queue = asyncio.Queue()
    heart = asyncio.create_task(beat())
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    producer = asyncio.create_task(produce(queue))
    await queue.get()
    await producer
    labkit.ready(blame=os.getpid())
    await queue.get()  # BLAME
    heart.cancel()
    server.close()


asyncio.run(main())
