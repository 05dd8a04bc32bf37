"""L1 through asyncio streams: StreamReader.read on a socketpair whose other end leaked in this process (detached: no
Python object knows it any more). Must be said: L1 and the fd. Twin: n3_asyncio_heartbeat.py.
"""

import asyncio
import os
import socket

import labkit


async def main():
    ours, theirs = socket.socketpair()
    theirs.detach()
    reader, writer = await asyncio.open_connection(sock=ours)
    labkit.ready(blame=os.getpid(), fd=ours.fileno())
    await reader.read(1)


asyncio.run(main())
