"""L2: two trio tasks take two locks in opposite order. Must be said: L2, Ctrl-C works. Twin: n3_trio_lock_held.py."""

import os

import labkit

trio = labkit.import_trio()
import trio.testing  # noqa: E402


async def transfer(first, second, mine, theirs):
    async with first:
        mine.set()
        await theirs.wait()
        async with second:  # BLAME
            raise AssertionError("never both")


async def main():
    a, b = trio.Lock(), trio.Lock()
    here, there = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transfer, a, b, here, there)
        nursery.start_soon(transfer, b, a, there, here)
        await trio.testing.wait_all_tasks_blocked()
        labkit.ready(blame=os.getpid())


trio.run(main)
