"""S1 with asyncio: the main loop has no wakeup fd (asyncio.run sets none) and an asyncio server that would be perfectly
healthy but for the GIL that the "hog" thread's legacy subinterpreter never gives back. Must be said: S1, step 5.
Twin: n3_parked_subinterpreters.py.
"""

import asyncio

import labkit


async def main():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    labkit.start(labkit.create("legacy"), "regex", "hog")
    await server.serve_forever()


labkit.park_innocents(1)
asyncio.run(main())
