"""N3, look-alike of L1: the loop has nothing but a handler of a signal, which sets the event that the main task waits
for. Twin of l1_asyncio_event.py.
"""

import asyncio
import signal

import labkit


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    labkit.ready()
    await stop.wait()


asyncio.run(main())
