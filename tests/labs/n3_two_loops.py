"""N3: two asyncio loops in two threads; main's waits for bytes that the other's timer will send. Twin of
l1_asyncio_forgotten_peer.py: the other end is in this process, and somebody there will write.
"""

import asyncio
import socket
import threading

import labkit

ours, theirs = socket.socketpair()


async def other():
    while True:
        await asyncio.get_running_loop().sock_sendall(theirs, b"x")
        await asyncio.sleep(3600)


async def main():
    for end in ours, theirs:
        end.setblocking(False)
    threading.Thread(target=asyncio.run, args=(other(),), name="other-loop", daemon=True).start()
    loop = asyncio.get_running_loop()
    assert await loop.sock_recv(ours, 1) == b"x"
    labkit.ready()
    await loop.sock_recv(ours, 1)


asyncio.run(main())
