"""L1 over a pipe: a reader callback waits for a pipe whose only writer is this process' own forgotten copy, so that end
of file never comes. Must be said: L1 and the fd. Twin: n3_asyncio_child.py (a child holds the writing end).
"""

import asyncio
import os

import labkit


async def main():
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    arrived = loop.create_future()
    loop.add_reader(reading, lambda: arrived.set_result(os.read(reading, 1)))
    labkit.ready(blame=os.getpid(), fd=reading)
    await arrived


asyncio.run(main())
