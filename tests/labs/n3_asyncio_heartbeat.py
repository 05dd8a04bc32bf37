"""N3: two tasks of one loop talk over a socketpair; both ends are in use, and the sender has a timer. Twin of
l1_asyncio_forgotten_peer.py.
"""

import asyncio
import socket

import labkit


async def send(end):
    while True:
        await asyncio.get_running_loop().sock_sendall(end, b"x")
        await asyncio.sleep(3600)


async def main():
    ours, theirs = socket.socketpair()
    for end in ours, theirs:
        end.setblocking(False)
    sender = asyncio.create_task(send(theirs))
    loop = asyncio.get_running_loop()
    assert await loop.sock_recv(ours, 1) == b"x"
    labkit.ready()
    await loop.sock_recv(ours, 1)
    await sender


asyncio.run(main())
