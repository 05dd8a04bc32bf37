"""S6 in a child: main awaits a gather() of tasks, one of which swallows the cancellation that a SIGINT is. Must be said: S6
and the child's line. Twin: n3_asyncio_cleanup.py.
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
    await asyncio.gather(stubborn(never), obedient(never), return_exceptions=True)


asyncio.run(main())
