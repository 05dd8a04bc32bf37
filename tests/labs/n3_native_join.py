"""N3, twin of g1_native_join.py: main joins a native thread without the GIL, and that thread serves. No signal interrupts
pthread_join: Ctrl-C does nothing.
"""

import ctypes
import socket

import labkit

libc = ctypes.CDLL(None)
server = socket.create_server(("127.0.0.1", 0))


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def callback(_):
    server.accept()


thread = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(thread), None, callback, None)
labkit.ready()
libc.pthread_join(thread, None)
