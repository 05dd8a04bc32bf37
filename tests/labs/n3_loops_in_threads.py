"""No hang: the loop of the thread that main joins waits for a queue that the server of another thread's loop fills.
Twin of l1_loops_in_threads.py.
"""

import asyncio
import threading

import labkit

queue = asyncio.Queue()
loops = {}


async def handle(reader, writer):
    loops["consumer"].call_soon_threadsafe(queue.put_nowait, await reader.readline())


async def serve(ready):
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    ready.set()
    async with server:
        await server.serve_forever()


async def consume():
    loops["consumer"] = asyncio.get_running_loop()
    await queue.get()


serving = threading.Event()
server = threading.Thread(target=asyncio.run, args=(serve(serving),), name="server", daemon=True)
server.start()
serving.wait()
consumer = threading.Thread(target=asyncio.run, args=(consume(),), name="consumer", daemon=True)
consumer.start()
for thread in server, consumer:
    labkit.await_syscall(thread.native_id, labkit.EPOLL)
labkit.ready()
consumer.join()
