"""L3 loop-blocked-by-sync-call: a coroutine calls time.sleep on the loop's thread while another task is ready. Ctrl-C:
the first only asks the main task to cancel, the second raises. Must be said: L3 and the line. Twin: n3_time_sleep.py.
"""

import asyncio
import os
import time

import labkit


async def other():
    while True:
        await asyncio.sleep(0)


async def main():
    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    labkit.ready(blame=os.getpid())
    time.sleep(1_000_000)  # BLAME
    await task


asyncio.run(main())
