"""N3: an asyncio program waits for bytes on a unix socket whose other end is in a living process (its child). Twin of
l1_asyncio_forgotten_peer.py.
"""

import asyncio
import socket
import sys

import labkit

CLIENT = "import os; os.write(1, b'x'); __import__('time').sleep(3600)"


async def main():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    await asyncio.create_subprocess_exec(sys.executable, "-c", CLIENT, stdin=theirs, stdout=theirs)
    theirs.close()
    loop = asyncio.get_running_loop()
    assert await loop.sock_recv(ours, 1) == b"x"
    labkit.ready()
    await loop.sock_recv(ours, 1)


asyncio.run(main())
