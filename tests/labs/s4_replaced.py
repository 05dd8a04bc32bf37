"""S4: a library put its own wakeup fd in the place of the loop's, with a server that goes on. Must be said: S4, step 4."""

import asyncio
import os
import signal
import socket

import labkit

reader, writer = socket.socketpair()
writer.setblocking(False)


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    signal.set_wakeup_fd(writer.fileno())
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    labkit.ready(blame=os.getpid())
    async with server:
        await stop.wait()


asyncio.run(main())
