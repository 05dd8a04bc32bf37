"""L1 with trio over a socket: wait_readable on one end of a socketpair whose other end is open in this process and
forgotten. Must be said: L1 and the fd. Twin: n3_trio_server.py.
"""

import os
import socket

import labkit

trio = labkit.import_trio()


async def main():
    ours, theirs = socket.socketpair()
    labkit.ready(blame=os.getpid(), fd=ours.fileno())
    await trio.lowlevel.wait_readable(ours)
    theirs.close()


trio.run(main)
