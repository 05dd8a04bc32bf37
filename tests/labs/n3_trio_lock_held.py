"""N3: main waits for a lock whose owner sleeps and then releases it. Twin of l2_trio_locks.py."""

import labkit

trio = labkit.import_trio()
import trio.testing  # noqa: E402


async def hold(lock):
    async with lock:
        await trio.sleep(600)


async def announce():
    await trio.testing.wait_all_tasks_blocked()
    labkit.ready()


async def main():
    lock = trio.Lock()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold, lock)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(announce)
        async with lock:
            pass


trio.run(main)
