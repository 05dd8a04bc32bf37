"""N3: main has been cancelled before, by a timeout and by a failing child, which took their cancellations back (uncancel);
now it serves. Twin of s6_asyncio_swallow.py.
"""

import asyncio

import labkit


async def fail():
    raise ValueError


async def main():
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(3600)
    except TimeoutError:
        pass
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            await asyncio.sleep(3600)
    except* ValueError:
        pass
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    labkit.ready()
    async with server:
        await server.serve_forever()


asyncio.run(main())
