"""L4 self-wait: a coroutine hands another one to its own loop and blocks until that is done."""
import asyncio
import threading

import labkit


async def fetch():
    return 1


def fetch_now(loop):
    future = asyncio.run_coroutine_threadsafe(fetch(), loop)
    labkit.ready()
    return future.result()  # BLAME


async def main():
    await asyncio.sleep(0)
    fetch_now(asyncio.get_running_loop())


asyncio.run(main())
