"""L1 with asyncio's tasks and futures in Python instead of C: the worker awaits a queue that nobody fills, main awaits the
worker. Must be said: L1, the worker's line, Ctrl-C works. Twin: n3_asyncio_timeout_scope.py.
"""

import asyncio
import os

import labkit


async def fetch(queue):
    await queue.get()  # BLAME


async def main():
    worker = asyncio.get_running_loop().create_task(fetch(asyncio.Queue()))
    await asyncio.sleep(0)
    labkit.ready(blame=os.getpid())
    await worker


loop = asyncio.new_event_loop()
loop.set_task_factory(lambda loop, coro, **options: asyncio.tasks._PyTask(coro, loop=loop, **options))
loop.run_until_complete(main())
