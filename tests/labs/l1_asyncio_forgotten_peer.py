"""L1 over a socket: main awaits bytes from a socketpair whose other end is in this very process, open, and forgotten: no
end of file, no registration, nobody to write. Must be said: L1, the fd that is waited for, and that its other end is here.
Twin: n3_asyncio_heartbeat.py (both ends are in use).
"""

import asyncio
import os
import socket

import labkit

forgotten = []


async def main():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    forgotten.append(theirs)
    labkit.ready(blame=os.getpid(), fd=ours.fileno())
    await asyncio.get_running_loop().sock_recv(ours, 1)


asyncio.run(main())
