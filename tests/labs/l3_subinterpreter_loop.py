"""The second class of the origin: the task of a subinterpreter's loop blocks in threading.Event.wait, the message that
cancels it lies unread in its socket, and the parent's healthy loop waits for its answer. L3 in that interpreter; the
parent's park is the consequence, and Ctrl-C gets through."""
import asyncio
import socket
import threading

import labkit

ACTOR = """
import asyncio, socket, sys, threading
sys.path.insert(0, {here!r})


async def serve(channel):
    threading.Event().wait()  # no checkpoint
    await asyncio.get_running_loop().sock_recv(channel, 100)


async def actor():
    channel = socket.socket(fileno={fd})
    channel.setblocking(False)
    await asyncio.gather(serve(channel))


asyncio.run(actor())
"""


async def main():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    interpreter = labkit.create("legacy")
    code = ACTOR.format(here=labkit.HERE, fd=theirs.detach())
    actor = threading.Thread(target=labkit.execute, args=(interpreter, code), name="actor", daemon=True)
    actor.start()
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(labkit.await_syscall, actor.native_id, {202})
    await loop.sock_sendall(ours, b"cancel")
    labkit.ready(blame=actor.native_id)
    await loop.sock_recv(ours, 100)


asyncio.run(main())
