"""N3: the same as p5_sigchld_ignored.py, and the child is still at work."""

import asyncio

import labkit


async def run():
    child = await asyncio.create_subprocess_exec("/bin/sleep", "1000")
    labkit.ready()
    await child.wait()


asyncio.run(run())
