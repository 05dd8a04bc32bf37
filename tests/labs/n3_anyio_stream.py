"""N3: a task will send in an hour, and a worker thread sleeps. Twin of l1_anyio_stream.py."""

import time

import anyio
import anyio.to_thread

import labkit


async def produce(sender):
    await sender.send(1)
    await anyio.sleep(3600)
    await sender.send(2)


async def main():
    sender, receiver = anyio.create_memory_object_stream(0)
    async with anyio.create_task_group() as group:
        group.start_soon(produce, sender)
        del sender
        group.start_soon(anyio.to_thread.run_sync, time.sleep, 3600)
        assert await receiver.receive() == 1
        labkit.ready()
        await receiver.receive()


anyio.run(main)
