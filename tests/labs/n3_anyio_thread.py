"""N3, look-alike of L1: a worker of anyio's runs a C function, which leaves no frame of its own. Twin of
l1_anyio_stream.py.
"""

import socket

import anyio
import anyio.to_thread

import labkit


async def main():
    server = socket.create_server(("127.0.0.1", 0))
    labkit.ready()
    await anyio.to_thread.run_sync(server._accept)  # the method of C's socket


anyio.run(main)
