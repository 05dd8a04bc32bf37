"""L3 with trio: a child task calls time.sleep on the loop's thread. Must be said: L3 and the line.
Twin: n3_trio_sleep.py.
"""

import os
import time

import labkit

trio = labkit.import_trio()


async def child():
    labkit.ready(blame=os.getpid())
    time.sleep(1_000_000)  # BLAME


async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)
        nursery.start_soon(trio.sleep_forever)


trio.run(main)
