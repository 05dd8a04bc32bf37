"""L2: a nursery waits for its child, and the child waits for an event that the parent sets after the nursery. Must be said:
L2, Ctrl-C works. Twin: n3_trio_nursery.py.
"""

import os

import labkit

trio = labkit.import_trio()


async def child(done):
    labkit.ready(blame=os.getpid())
    await done.wait()  # BLAME


async def main():
    done = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child, done)
    done.set()


trio.run(main)
