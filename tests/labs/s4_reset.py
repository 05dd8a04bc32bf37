"""S4 wakeup-fd-misrouted: asyncio's add_signal_handler acts on the byte alone, and somebody reset the wakeup fd to -1.
Must be said: S4, step 4. Twin: n3_asyncio_signal_handler.py."""

import asyncio
import os
import signal

import labkit


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    signal.set_wakeup_fd(-1)
    labkit.ready(blame=os.getpid())
    await stop.wait()


asyncio.run(main())
