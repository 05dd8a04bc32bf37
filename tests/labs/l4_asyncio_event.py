"""L4 self-wait: a coroutine asks its own loop to set a threading.Event, and waits for it."""
import asyncio
import threading

import labkit


async def main():
    done = threading.Event()
    asyncio.get_running_loop().call_soon_threadsafe(done.set)
    labkit.ready()
    done.wait()  # BLAME


asyncio.run(main())
