"""S6 interrupt-swallowed: the first SIGINT only cancels asyncio's main task, which swallows that and waits on. Ctrl-C: two
more. Must be said: S6 and the line. Twins: n3_asyncio_cleanup.py, n3_asyncio_timeout_scope.py.
"""

import asyncio
import os

import labkit


async def main():
    labkit.ready(blame=os.getpid())
    while True:
        try:
            await asyncio.sleep(1_000_000)  # BLAME
        except asyncio.CancelledError:
            pass


asyncio.run(main())
