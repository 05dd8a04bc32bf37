"""L1: two tasks and main await an asyncio.Event that nobody will set; the loop runs without asyncio.Runner. Must be said:
L1, Ctrl-C works. Twin: n3_asyncio_executor.py (a live thread will set it).
"""

import asyncio
import os

import labkit


async def main():
    event = asyncio.Event()
    tasks = [asyncio.ensure_future(event.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    labkit.ready(blame=os.getpid())
    await asyncio.gather(*tasks)


asyncio.new_event_loop().run_until_complete(main())
