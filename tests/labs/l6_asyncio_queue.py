"""L6 executor-join-on-loop-close: a consumer in asyncio.to_thread waits for an item, and nobody will put one; the run is
over for the exception of the main coroutine, beside workers that are idle."""
import asyncio
import queue
import threading

import labkit

items = queue.Queue()
tid = []


def take():
    tid.append(threading.get_native_id())
    return items.get()  # BLAME


def consume():
    while True:
        take()


async def main():
    asyncio.create_task(asyncio.to_thread(consume))
    await asyncio.gather(*(asyncio.to_thread(int) for _ in range(3)))
    while not tid:
        await asyncio.sleep(0)
    labkit.ready(blame=tid[0])


asyncio.run(main())
