"""L1 in the loop of a thread that main joins, beside a healthy loop of another thread that serves. Twin:
n3_loops_in_threads.py.
"""

import asyncio
import threading

import labkit


async def serve(ready):
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    ready.set()
    async with server:
        await server.serve_forever()


async def starve():
    await asyncio.Queue().get()  # BLAME


serving = threading.Event()
server = threading.Thread(target=asyncio.run, args=(serve(serving),), name="server", daemon=True)
server.start()
serving.wait()
starving = threading.Thread(target=asyncio.run, args=(starve(),), name="starving", daemon=True)
starving.start()
for thread in server, starving:
    labkit.await_syscall(thread.native_id, labkit.EPOLL)
labkit.ready(blame=starving.native_id)
starving.join()
