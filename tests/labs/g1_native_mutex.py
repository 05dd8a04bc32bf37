"""G1 gil-vs-native-lock: main waits for a pthread mutex with the GIL in hand (PyDLL keeps it); a worker owns the mutex and
waits for the GIL. Must be said: G1, step 5, both threads. Twins: n3_native_mutex.py (CDLL drops the GIL),
g3_native_mutex_timer.py (the owner does not want the GIL).
"""

import ctypes
import os
import threading

import labkit

mutex = ctypes.create_string_buffer(40)  # zeros: PTHREAD_MUTEX_INITIALIZER
drops, keeps = ctypes.CDLL(None), ctypes.PyDLL(None)
reader, writer = os.pipe()
go = threading.Event()


def worker():
    drops.pthread_mutex_lock(mutex)
    os.read(reader, 1)
    while not go.is_set():  # wants the GIL again and again
        pass
    drops.pthread_mutex_unlock(mutex)


owner = threading.Thread(target=worker, name="owner", daemon=True)
owner.start()
labkit.await_syscall(owner.native_id, labkit.READ)
labkit.ready(blame=os.getpid(), other=owner.native_id)
keeps.write(writer, b"!", 1)  # from here on somebody else wants the GIL
keeps.pthread_mutex_lock(mutex)  # BLAME
