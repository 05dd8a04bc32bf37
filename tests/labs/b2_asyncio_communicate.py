"""B2 in asyncio: communicate() reads to the end of the output of a shell that has ended; a background process has it.
Must be said: B2.
"""

import asyncio
import labkit


async def main():
    child = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", "sleep 1000 & echo done", stdout=asyncio.subprocess.PIPE
    )
    reading = asyncio.create_task(child.communicate())
    while child.returncode is None:
        await asyncio.sleep(0.001)
    labkit.await_sleeper()
    labkit.ready()
    await reading  # BLAME


asyncio.run(main())
