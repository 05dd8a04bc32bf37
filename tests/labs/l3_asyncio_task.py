"""L3 in a task that is not main's, with a loop run by loop.run_until_complete (no asyncio.Runner): the default SIGINT
handler raises in the blocking call, and one Ctrl-C ends it. Must be said: L3 and the line. Twin: n3_time_sleep.py.
"""

import asyncio
import os
import time

import labkit


def deep(seconds):
    time.sleep(seconds)  # BLAME


async def blocks():
    labkit.ready(blame=os.getpid())
    deep(1_000_000)


async def main():
    await asyncio.gather(asyncio.ensure_future(blocks()), asyncio.sleep(1000))


asyncio.new_event_loop().run_until_complete(main())
