"""N3: an asyncio program waits for the output of a child that is alive (and asleep). Twin of l1_asyncio_pipe.py."""

import asyncio
import sys

import labkit


async def main():
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import time; print(1, flush=True); time.sleep(1e6)", stdout=asyncio.subprocess.PIPE
    )
    assert await child.stdout.readline() == b"1\n"
    labkit.ready()
    await child.stdout.read(1)


asyncio.run(main())
