"""G1 with a read-write lock: main wants to read with the GIL in hand; a worker owns the lock for writing and waits for the
GIL. Must be said: G1, step 5, both threads. Twin: g3_native_mutex_timer.py.
"""

import ctypes
import os
import threading

import labkit

rwlock = ctypes.create_string_buffer(56)  # zeros: PTHREAD_RWLOCK_INITIALIZER
drops, keeps = ctypes.CDLL(None), ctypes.PyDLL(None)
reader, writer = os.pipe()
go = threading.Event()


def worker():
    drops.pthread_rwlock_wrlock(rwlock)
    os.read(reader, 1)
    while not go.is_set():  # wants the GIL again and again
        pass
    drops.pthread_rwlock_unlock(rwlock)


owner = threading.Thread(target=worker, name="owner", daemon=True)
owner.start()
labkit.await_syscall(owner.native_id, labkit.READ)
labkit.ready(blame=os.getpid(), other=owner.native_id)
keeps.write(writer, b"!", 1)  # from here on somebody else wants the GIL
keeps.pthread_rwlock_rdlock(rwlock)  # BLAME
