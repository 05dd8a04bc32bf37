"""L6 with trio: the scope around to_thread.run_sync was cancelled, and the thread that may not be abandoned never ends."""
import threading

import labkit

trio = labkit.import_trio()
tid = []


def job():
    tid.append(threading.get_native_id())
    threading.Event().wait()  # BLAME


async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, job)
        while not tid:
            await trio.sleep(0)
        nursery.cancel_scope.cancel()
        labkit.ready(blame=tid[0])


trio.run(main)
