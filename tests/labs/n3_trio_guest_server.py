"""N3: trio as a guest of asyncio waits for connections. Twin of l10_guest.py."""

import asyncio

import labkit

trio = labkit.import_trio()


async def serve():
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    labkit.ready()
    await listener.accept()


async def host():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    trio.lowlevel.start_guest_run(
        serve, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
    )
    await done


asyncio.run(host())
