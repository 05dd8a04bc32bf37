"""L5 unwoken-loop: a thread resolves an asyncio future; a timer an hour away would wake the loop."""
import asyncio
import threading

import labkit

MAIN = threading.get_native_id()


def resolve(future):
    labkit.await_syscall(MAIN, labkit.EPOLL)
    future.set_result("done")
    labkit.ready()


async def housekeeping():
    while True:
        await asyncio.sleep(3600)


async def main():
    future = asyncio.get_running_loop().create_future()
    keep = asyncio.create_task(housekeeping())
    threading.Thread(target=resolve, args=(future,), name="resolver").start()
    await future  # BLAME
    keep.cancel()


asyncio.run(main())
