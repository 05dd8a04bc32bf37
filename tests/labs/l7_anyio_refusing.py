"""L7 cancel-delivery-spin: a task group was cancelled, and one of its tasks awaits a future that refuses to be."""
import asyncio

import anyio

import labkit


class Uninterruptible(asyncio.Future):
    def cancel(self, msg=None):
        return False


async def fetch():
    await Uninterruptible()  # BLAME


async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(fetch)
        group.start_soon(anyio.sleep, 3600)
        await anyio.sleep(0)
        await anyio.sleep(0)
        group.cancel_scope.cancel()
        labkit.ready()


anyio.run(main)
