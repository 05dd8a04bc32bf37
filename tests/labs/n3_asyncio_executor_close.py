"""N3 twin of L6: asyncio.run waits for a job of the default pool that ends at a date."""
import asyncio
import time

import labkit


def job():
    time.sleep(3600)


async def main():
    asyncio.get_running_loop().run_in_executor(None, job)
    labkit.ready()


asyncio.run(main())
