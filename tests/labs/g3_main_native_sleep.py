"""G3 where main itself sleeps in a native call with the GIL held, and a worker waits for that GIL. SIGINT ends the
sleep(3), then Python raises. Must be said: G3, main thread, never "no" for Ctrl-C. Twin: n3_time_sleep.py.
"""

import ctypes
import os
import threading

import labkit


def work():
    while True:
        os.getppid()


sleep = ctypes.PyDLL(None).sleep
threading.Thread(target=work, name="starved", daemon=True).start()
labkit.ready(blame=os.getpid())
sleep(1_000_000)  # BLAME
