"""N3: three legacy and two isolated subinterpreters are parked, innocent: the GIL is free and main's loop has a date.
Must be said: N3, never S1. Twin of s1_trio_pair.py.
"""

import asyncio

import labkit


async def main():
    labkit.ready()
    await asyncio.sleep(3600)


labkit.park_innocents(3, "legacy")
labkit.park_innocents(2, "isolated")
asyncio.run(main())
