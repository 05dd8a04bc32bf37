"""L1 over a socket that an abandoned subinterpreter keeps: it lives, its main module has the other end, and no thread
runs in it. Must be said: L1 and the fd. Twin: n3_parked_subinterpreters.py.
"""

import asyncio
import os
import socket

import labkit


async def main(ours):
    labkit.ready(blame=os.getpid(), fd=ours.fileno())
    await asyncio.get_running_loop().sock_recv(ours, 1)  # BLAME


ours, theirs = socket.socketpair()
ours.setblocking(False)
interpreter = labkit.create("legacy")
labkit.execute(interpreter, f"import socket; channel = socket.socket(fileno={theirs.detach()}); channel.send(b'hello')")
assert ours.recv(5) == b"hello"
asyncio.run(main(ours))
