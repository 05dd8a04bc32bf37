"""L8 wakeup-drain-eof-spin, asyncio's form: the writing end of the self-pipe is closed; the loop turns without sleeping."""
import asyncio
import os

import labkit


async def main():
    os.close(asyncio.get_running_loop()._csock.fileno())
    labkit.ready()
    await asyncio.sleep(3600)


asyncio.run(main())
