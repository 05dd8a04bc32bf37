"""L5 unwoken-loop: a thread puts into an asyncio.Queue. The main task could go on, and its loop sleeps."""
import asyncio
import threading

import labkit

MAIN = threading.get_native_id()


def produce(queue):
    labkit.await_syscall(MAIN, labkit.EPOLL)
    queue.put_nowait("item")
    labkit.ready()
    threading.Event().wait()


async def consume(queue):
    return await queue.get()  # BLAME


async def main():
    queue = asyncio.Queue()
    threading.Thread(target=produce, args=(queue,), daemon=True, name="producer").start()
    async with asyncio.TaskGroup() as group:
        group.create_task(consume(queue))


asyncio.run(main())
