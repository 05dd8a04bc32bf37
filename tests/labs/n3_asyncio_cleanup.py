"""N3: the first SIGINT has cancelled main, which cleans up at leisure in its `finally`, on the way out, until a date. Twin of
s6_asyncio_swallow.py.
"""

import asyncio

import labkit


async def main():
    try:
        labkit.ready()
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(1000)


asyncio.run(main())
