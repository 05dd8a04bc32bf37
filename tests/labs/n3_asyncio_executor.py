"""N3: an asyncio program waits for a worker thread that is alive and sleeps until a date. Twin of l1_asyncio_event.py."""

import asyncio
import threading
import time

import labkit

started = threading.Event()


def work():
    started.set()
    time.sleep(1_000_000)


async def main():
    future = asyncio.get_running_loop().run_in_executor(None, work)
    started.wait()
    labkit.ready()
    await future


asyncio.run(main())
