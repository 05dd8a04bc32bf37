"""S7 among workers: two sleep, innocent, and one waits for the same lock, a victim. Must be said: S7 and the handler's line.
Twin: k1_not_handler.py.
"""

import os
import signal
import threading
import time

import labkit

lock = threading.Lock()


def victim():
    with lock:
        pass


def handler(number, frame):
    labkit.ready(blame=os.getpid())
    with lock:  # BLAME
        pass


signal.signal(signal.SIGUSR1, handler)
with lock:
    for number in range(2):
        threading.Thread(target=time.sleep, args=(1_000_000,), name=f"sleeper-{number}", daemon=True).start()
    waiter = threading.Thread(target=victim, name="victim", daemon=True)
    waiter.start()
    labkit.await_syscall(waiter.native_id, {202})
    signal.raise_signal(signal.SIGUSR1)
