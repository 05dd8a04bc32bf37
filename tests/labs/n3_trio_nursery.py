"""N3: main waits in its nursery for a child that waits for connections, with no shield. Twin of s6_trio_shield.py."""

import labkit

trio = labkit.import_trio()


async def child():
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    labkit.ready()
    await listener.accept()


async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child)


trio.run(main)
