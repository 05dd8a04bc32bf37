"""L3: a coroutine calls a blocking socket.recv on the loop's thread; the other end is held by this process. Ctrl-C: the
second one. Must be said: L3, the line and the fd. Twin: n3_asyncio_heartbeat.py.
"""

import asyncio
import os
import socket

import labkit

ours, theirs = socket.socketpair()


async def main():
    labkit.ready(blame=os.getpid(), fd=ours.fileno())
    ours.recv(1)  # BLAME


asyncio.run(main())
