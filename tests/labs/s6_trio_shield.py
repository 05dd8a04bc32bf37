"""S6 with trio: the KeyboardInterrupt is delivered to main, which waits in its nursery for a child that a shield keeps from
being cancelled. Must be said: S6 and the child's line. Twin: n3_trio_nursery.py.
"""

import os

import labkit

trio = labkit.import_trio()


async def shielded():
    with trio.CancelScope(shield=True):
        labkit.ready(blame=os.getpid())
        await trio.sleep_forever()  # BLAME


async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shielded)


trio.run(main)
