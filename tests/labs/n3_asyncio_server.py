"""N3: an asyncio server waits for connections. Must be said: N3, a listening socket is registered. Twin of L1 labs."""

import asyncio

import labkit


async def main():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    labkit.ready()
    await server.serve_forever()


asyncio.run(main())
