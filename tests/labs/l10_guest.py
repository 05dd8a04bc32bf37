"""L10: trio as a guest of asyncio, and its main task waits for a channel whose sender is gone. Both loops sleep. Must be said:
L10, Ctrl-C works. Twin: n3_trio_guest_server.py.
"""

import asyncio
import os

import labkit

trio = labkit.import_trio()


async def produce(sender):
    await sender.send(1)  # and return without closing it


async def receive():
    sender, receiver = trio.open_memory_channel(0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce, sender)
        del sender
        await receiver.receive()
        labkit.ready(blame=os.getpid())
        await receiver.receive()  # BLAME


async def host():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    trio.lowlevel.start_guest_run(
        receive, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
    )
    await done


asyncio.run(host())
