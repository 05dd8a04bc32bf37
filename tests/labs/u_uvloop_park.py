"""A task parked for ever in uvloop, whose loop has no Python frames and is not read. Must be said: undetermined, and what
the loop is. Twin: u_uvloop_server.py.
"""

import asyncio

import labkit
import uvloop


async def main():
    channel = asyncio.Queue()
    asyncio.get_running_loop().call_soon(labkit.ready)
    await channel.get()


uvloop.install()
asyncio.run(main())
