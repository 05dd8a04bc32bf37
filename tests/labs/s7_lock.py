"""S7 handler-reentrancy-lock: a signal handler takes a lock that the code it interrupted holds, on the same thread. Must be
said: S7 and the handler's line. Twins: n3_handler_waits.py (no lock), k1_not_handler.py (no handler).
"""

import os
import signal
import threading

import labkit

lock = threading.Lock()


def handler(number, frame):
    labkit.ready(blame=os.getpid())
    lock.acquire()  # BLAME


signal.signal(signal.SIGUSR1, handler)
with lock:
    signal.raise_signal(signal.SIGUSR1)
