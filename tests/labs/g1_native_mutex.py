"""G1 gil-vs-native-lock: main waits for a pthread mutex with the GIL in hand (PyDLL keeps it); a worker owns the mutex and
waits for the GIL. Must be said: G1, step 5, both threads. Twin: n3_native_mutex.py (CDLL drops the GIL)."""

import ctypes
import os
import threading

import labkit

mutex = ctypes.create_string_buffer(40)  # zeros: PTHREAD_MUTEX_INITIALIZER
drops, keeps = ctypes.CDLL(None), ctypes.PyDLL(None)
locked, go = threading.Event(), threading.Event()


def worker():
    drops.pthread_mutex_lock(mutex)
    locked.set()
    while not go.is_set():  # wants the GIL again and again
        pass
    drops.pthread_mutex_unlock(mutex)


threading.Thread(target=worker, name="owner", daemon=True).start()
locked.wait()
labkit.ready(blame=os.getpid())
keeps.pthread_mutex_lock(mutex)  # BLAME
