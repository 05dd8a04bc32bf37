"""L1 with the other end gone: a datagram socketpair does not report that its peer was closed; recv waits for ever.
Must be said: L1, the fd, and that it has no peer. Twin: n3_asyncio_dgram_bound.py (bound: anybody may send).
"""

import asyncio
import os
import socket

import labkit


async def main():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    child = os.fork()  # the peer's only holder is a process that ends
    if child == 0:
        os._exit(0)
    theirs.close()
    assert os.waitpid(child, 0) == (child, 0)
    labkit.ready(blame=os.getpid(), fd=ours.fileno())
    await asyncio.get_running_loop().sock_recv(ours, 1)


asyncio.run(main())
