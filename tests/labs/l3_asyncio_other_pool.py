"""L3, not L4: a coroutine blocks on a job of a pool; the job sleeps and needs nothing of the loop, where a callback waits."""
import asyncio
import concurrent.futures
import threading
import time

import labkit


def job():
    labkit.ready()
    time.sleep(3600)


async def main():
    pool = concurrent.futures.ThreadPoolExecutor(1)
    asyncio.get_running_loop().call_soon(print, "never")
    pool.submit(job).result()  # BLAME


asyncio.run(main())
