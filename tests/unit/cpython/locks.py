"""The main thread is inside a signal handler, which waits for a lock that the code below it holds, by attribute; another
thread holds nothing but a lock of its own, by name. READY says the ident of the lock waited for.
"""

import os
import signal
import threading

other = threading.Lock()
never, _ = os.pipe()


class Box:
    def __init__(self):
        self._lock = threading.Lock()

    def take(self):
        with self._lock:
            pass


box = Box()


def handler(number, frame):
    box.take()


def interrupted():
    with other:
        with box._lock:
            print(f"READY lock={id(box._lock)} other={id(other)}", flush=True)
            signal.raise_signal(signal.SIGUSR1)


def innocent():
    with threading.Lock():
        os.read(never, 1)


threading.Thread(target=innocent, name="innocent", daemon=True).start()
signal.signal(signal.SIGUSR1, handler)
interrupted()
