"""L6 executor-join-on-loop-close: the main coroutine gave up on a job of the default pool; asyncio.run waits for it."""
import asyncio
import threading

import labkit


def job():
    tid.append(threading.get_native_id())
    threading.Event().wait()  # BLAME


tid = []


async def main():
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait_for(loop.run_in_executor(None, job), 0.05)
    except TimeoutError:
        pass
    labkit.ready(blame=tid[0])


asyncio.run(main())
