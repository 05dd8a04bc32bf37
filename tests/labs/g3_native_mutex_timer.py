"""No cycle: main waits for a pthread mutex with the GIL in hand, and the owner does not want the GIL: it sleeps in a native
call, until a date. Must not be said: G1. Twin of g1_native_mutex.py.
"""

import ctypes
import os
import threading

import labkit

mutex = ctypes.create_string_buffer(40)
drops, keeps = ctypes.CDLL(None), ctypes.PyDLL(None)


def worker():
    drops.pthread_mutex_lock(mutex)
    drops.sleep(1000)
    drops.pthread_mutex_unlock(mutex)


owner = threading.Thread(target=worker, name="owner", daemon=True)
owner.start()
labkit.await_syscall(owner.native_id, labkit.NANOSLEEP)
labkit.ready(blame=os.getpid())
keeps.pthread_mutex_lock(mutex)  # BLAME
