"""L1 over a channel to a torn-down subinterpreter: its end of the socketpair was a bare descriptor, so that destroying
the interpreter closed nothing and main gets no end of file. Must be said: L1 and the fd. Twin:
n3_parked_subinterpreters.py.
"""

import asyncio
import os
import socket

import labkit


async def main(ours):
    labkit.ready(blame=os.getpid(), fd=ours.fileno())
    await asyncio.get_running_loop().sock_recv(ours, 1)


ours, theirs = socket.socketpair()
ours.setblocking(False)
interpreter = labkit.create("legacy")
labkit.execute(interpreter, f"import os; os.write({theirs.detach()}, b'hello')")
assert ours.recv(5) == b"hello"
labkit.destroy(interpreter)
asyncio.run(main(ours))
