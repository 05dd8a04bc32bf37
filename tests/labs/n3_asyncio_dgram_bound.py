"""N3: an asyncio program waits for datagrams on a bound unix socket: it has no peer, and anybody may send. Twin of
l1_asyncio_dgram_peer_gone.py.
"""

import asyncio
import os
import socket

import labkit


async def main():
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.bind(f"\0hang-lab-{os.getpid()}")
    ours.setblocking(False)
    labkit.ready()
    await asyncio.get_running_loop().sock_recv(ours, 1)


asyncio.run(main())
