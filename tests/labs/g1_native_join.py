"""G1 gil-vs-native-lock: main joins a native thread with the GIL in hand (ctypes.PyDLL keeps it), and that thread wants
the GIL to go on in its callback. Must be said: G1, step 5, main thread. Twin: n3_native_join.py (the GIL is let go).
"""

import ctypes
import os
import sys

import labkit

libc, keeping = ctypes.CDLL(None), ctypes.PyDLL(None)
reader, writer = os.pipe()


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def callback(_):
    os.read(reader, 1)


thread = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(thread), None, callback, None)
sys.setswitchinterval(1000)  # nobody asks for the GIL in between
labkit.ready()
keeping.write(writer, b"x", 1)
keeping.pthread_join(thread, None)  # BLAME
