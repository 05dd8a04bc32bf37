"""N3 twin of L7: a cancelled task cleans up behind a shield for a while; anyio does not tell it again meanwhile."""
import anyio

import labkit


async def work():
    try:
        await anyio.sleep(3600)
    finally:
        with anyio.CancelScope(shield=True):
            labkit.ready()
            await anyio.sleep(3600)


async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await anyio.sleep(0.05)
        group.cancel_scope.cancel()


anyio.run(main)
