"""I4 with the owner frozen: at finalization the daemon thread, which held the lock and wanted the GIL again and again, is
ended where it stands (up to 3.13) or parked for good in pause() (3.14 and later). Must be said: I4 and the line in
__del__. Twins: i3_event.py, k1_atexit_lock.py.
"""

import os
import threading

import hogs
import labkit


class Client:
    def __init__(self):
        self.lock, held = threading.Lock(), threading.Event()
        self.daemon = threading.Thread(target=hogs.hold, args=(self.lock, held, 0.001), name="daemon", daemon=True)
        self.daemon.start()
        held.wait()

    def __del__(self):
        labkit.await_frozen(self.daemon.native_id)
        labkit.ready(blame=os.getpid())
        self.lock.acquire()  # BLAME


client = Client()
