"""N3, twin of the S4 labs: a server whose loop has a SIGINT handler and the wakeup fd that belongs to it."""

import asyncio
import signal

import labkit


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    labkit.ready()
    async with server:
        await stop.wait()


asyncio.run(main())
