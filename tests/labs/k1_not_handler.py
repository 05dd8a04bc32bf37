"""Main waits for a lock, outside of the handler that ran and returned before; the holder is a live thread, asleep. Nobody
waits for himself: must not be said: S7. Twin of s7_workers.py.
"""

import signal
import threading
import time

import labkit

lock = threading.Lock()
held = threading.Event()


def holder():
    with lock:
        held.set()
        time.sleep(1_000_000)


def handler(number, frame):
    with lock:
        pass


signal.signal(signal.SIGUSR1, handler)
signal.raise_signal(signal.SIGUSR1)
threading.Thread(target=holder, name="holder", daemon=True).start()
held.wait()
labkit.ready()
lock.acquire()
