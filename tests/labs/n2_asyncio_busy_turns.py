"""N2 twin of L8: an asyncio loop that turns without sleeping because a task asks for it; its wakeup pair is whole."""
import asyncio

import labkit


async def main():
    labkit.ready()
    while True:
        await asyncio.sleep(0)


asyncio.run(main())
