"""N3, twin of g1_native_mutex.py: a worker waits for a pthread mutex without the GIL, and main, which owns it, serves."""

import ctypes
import socket
import threading

import labkit

mutex = ctypes.create_string_buffer(40)
library = ctypes.CDLL(None)
library.pthread_mutex_lock(mutex)
worker = threading.Thread(target=library.pthread_mutex_lock, args=(mutex,), daemon=True)
worker.start()
labkit.await_syscall(worker.native_id, {202})
server = socket.create_server(("127.0.0.1", 0))
labkit.ready()
server.accept()
