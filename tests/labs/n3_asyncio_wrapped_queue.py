"""N3: the queue is inside of an object, and the task that will fill it calls a method of that object. Twin of
l1_asyncio_heartbeat.py: that task names no put() itself.
"""

import asyncio

import labkit


class Broker:
    def __init__(self):
        self.queue = asyncio.Queue()

    async def publish(self, item):
        await self.queue.put(item)

    async def take(self):
        return await self.queue.get()


async def push(queue, item):
    await queue.put(item)


async def feed(broker):
    while True:
        await asyncio.sleep(3600)
        await broker.publish(1)


async def feed_plainly(queue):
    while True:
        await asyncio.sleep(3600)
        await push(queue, 1)


async def consume(queue):
    await queue.get()


async def main():
    broker, queue = Broker(), asyncio.Queue()
    tasks = [asyncio.create_task(task) for task in (feed(broker), feed_plainly(queue), consume(queue))]
    for _ in range(3):
        await asyncio.sleep(0)
    labkit.ready()
    await broker.take()
    for task in tasks:
        task.cancel()


asyncio.run(main())
