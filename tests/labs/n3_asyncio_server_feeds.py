"""N3: main awaits a queue that the handler of a server fills. Twin of l1_asyncio_heartbeat.py."""

import asyncio

import labkit


class Service:
    def __init__(self):
        self.work = asyncio.Queue()

    async def on_connection(self, reader, writer):
        await self.work.put(await reader.readline())


async def main():
    service = Service()
    await asyncio.start_server(service.on_connection, "127.0.0.1", 0)
    labkit.ready()
    await service.work.get()


asyncio.run(main())
