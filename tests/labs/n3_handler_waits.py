"""N3: main is in a signal handler and waits there, for a connection to a listening socket; the code that it interrupted
holds a lock that nobody asks for. Twin of s7_lock.py.
"""

import signal
import socket
import threading

import labkit

lock = threading.Lock()
server = socket.create_server(("127.0.0.1", 0))


def handler(number, frame):
    labkit.ready()
    server.accept()


signal.signal(signal.SIGUSR1, handler)
with lock:
    signal.raise_signal(signal.SIGUSR1)
