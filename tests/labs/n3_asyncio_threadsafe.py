"""N3 twin of L5: main hands callback after callback to the loop of another thread, and wakes it each time."""
import asyncio
import threading
import time

import labkit

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, name="loop", daemon=True).start()
done = threading.Event()


def exchange():
    done.clear()
    loop.call_soon_threadsafe(done.set)
    done.wait()


exchange()
labkit.ready()
while True:
    exchange()
    time.sleep(0.002)
