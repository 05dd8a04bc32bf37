"""N3: a server on uvloop. Twin of u_uvloop_park.py."""

import asyncio

import labkit
import uvloop


async def main():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    asyncio.get_running_loop().call_soon(labkit.ready)
    await server.serve_forever()


uvloop.install()
asyncio.run(main())
