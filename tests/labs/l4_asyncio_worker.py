"""L4 self-wait: the main task blocks on a pool's job, and the job waits for a coroutine of the same loop."""
import asyncio
import concurrent.futures
import threading

import labkit

MAIN = threading.get_native_id()


async def lookup():
    return 1


def job(loop):
    future = asyncio.run_coroutine_threadsafe(lookup(), loop)
    labkit.await_syscall(MAIN, {202})
    labkit.ready()
    return future.result()


async def main():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(job, asyncio.get_running_loop())
        future.result()  # BLAME


asyncio.run(main())
