"""L2 with anyio's own locks on asyncio: two tasks take two locks in opposite order. Twin: n3_anyio_lock_held.py."""

import os

import anyio

import labkit


async def transfer(mine, theirs, both):
    async with mine:
        both.append(mine)
        while len(both) < 2:
            await anyio.sleep(0)
        async with theirs:  # BLAME
            pass


async def main():
    one, other, both = anyio.Lock(), anyio.Lock(), []
    async with anyio.create_task_group() as group:
        group.start_soon(transfer, one, other, both)
        group.start_soon(transfer, other, one, both)
        while len(both) < 2:
            await anyio.sleep(0)
        for _ in range(5):
            await anyio.sleep(0)
        labkit.ready(blame=os.getpid())


anyio.run(main)
