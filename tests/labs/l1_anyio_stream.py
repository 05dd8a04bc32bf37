"""L1 with anyio: a clone of the sending end was never closed, its owner has ended, and receive() waits for ever. A worker
thread without work stands by. Must be said: L1, Ctrl-C works. Twin: n3_anyio_stream.py.
"""

import os

import anyio
import anyio.to_thread

import labkit


async def produce(sender):
    await sender.send(1)  # and return without closing it


async def main():
    sender, receiver = anyio.create_memory_object_stream(0)
    await anyio.to_thread.run_sync(os.getpid)
    async with anyio.create_task_group() as group:
        group.start_soon(produce, sender)
        del sender
        assert await receiver.receive() == 1
        labkit.ready(blame=os.getpid())
        await receiver.receive()  # BLAME


if __name__ == "__main__":
    anyio.run(main)
