"""N3 on 3.12 and later: an isolated subinterpreter runs the same endless re.match, with a GIL of its own; main's server is
healthy. Must be said: no hang, never S1. Twin of s1_trio_pair.py.
"""

import asyncio
import os

import labkit


async def main():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    labkit.start(labkit.create("isolated"), "regex", "hog")
    await server.serve_forever()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    os._exit(130)  # finalization would wait for the hog
