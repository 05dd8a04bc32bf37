"""S6 while asyncio.run winds up: the SIGINT has ended main, and the loop waits for a task that it cancels at its end and that
swallows that. Must be said: S6 and the task's line. Twin: n3_asyncio_cleanup.py.
"""

import asyncio
import os

import labkit


async def stubborn(never):
    while True:
        try:
            await never.wait()  # BLAME
        except asyncio.CancelledError:
            pass


async def obedient(never):
    labkit.ready(blame=os.getpid())
    await never.wait()


async def main():
    never = asyncio.Event()
    await asyncio.gather(stubborn(never), obedient(never))


asyncio.run(main())
