"""I4 frozen-daemon-at-finalize: the interpreter finalizes, and a __del__ takes a lock whose owner, a daemon thread that sleeps,
may never run Python again. Must be said: I4 and the line in __del__. Twins: i3_event.py (not finalizing yet),
k1_atexit_lock.py (nor are atexit callbacks). Not on 3.15, which raises instead of waiting.
"""

import os
import threading

import hogs
import labkit


class Client:
    def __init__(self):
        self.lock, held = threading.Lock(), threading.Event()
        threading.Thread(target=hogs.hold, args=(self.lock, held, 1_000_000), name="daemon", daemon=True).start()
        held.wait()

    def __del__(self):
        labkit.ready(blame=os.getpid())
        self.lock.acquire()  # BLAME


client = Client()
