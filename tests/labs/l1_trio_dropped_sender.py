"""L1 with trio: the only sender of a memory channel was dropped without aclose(), so open_send_channels stays 1 and
receive() waits for ever. Must be said: L1, Ctrl-C works. Twin: n3_trio_sleep.py.
"""

import os

import labkit

trio = labkit.import_trio()


async def send(channel):
    await channel.send(1)  # and return without closing it


async def main():
    sender, receiver = trio.open_memory_channel(0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, sender)
        del sender
        assert await receiver.receive() == 1
        labkit.ready(blame=os.getpid())
        await receiver.receive()


trio.run(main)
