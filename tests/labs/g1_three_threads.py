"""G1 through three threads: main waits for the first mutex with the GIL in hand; its owner waits, without the GIL, for the
second; whose owner waits for the GIL. Must be said: G1, step 5, all three. Twin: g3_native_mutex_timer.py (no cycle).
"""

import ctypes
import os
import threading

import labkit

first, second = ctypes.create_string_buffer(40), ctypes.create_string_buffer(40)  # zeros: PTHREAD_MUTEX_INITIALIZER
drops, keeps = ctypes.CDLL(None), ctypes.PyDLL(None)
reader, writer = os.pipe()
locked, go = threading.Event(), threading.Event()


def middle():
    drops.pthread_mutex_lock(first)
    locked.set()
    drops.pthread_mutex_lock(second)


def last():
    drops.pthread_mutex_lock(second)
    os.read(reader, 1)
    while not go.is_set():  # wants the GIL again and again
        pass


owners = [threading.Thread(target=owner, name=owner.__name__, daemon=True) for owner in (last, middle)]
owners[0].start()
labkit.await_syscall(owners[0].native_id, labkit.READ)
owners[1].start()
locked.wait()
labkit.await_futex(owners[1].native_id, second)
labkit.ready(blame=os.getpid(), other=owners[0].native_id)
keeps.write(writer, b"!", 1)  # from here on somebody else wants the GIL
keeps.pthread_mutex_lock(first)  # BLAME
