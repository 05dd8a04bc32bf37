"""An atexit callback, which still runs before finalization, takes a lock of a daemon thread, which is alive and serves. Must
not be said: I4. Twin of i4_del_lock.py.
"""

import atexit
import socket
import threading

import labkit

lock, held = threading.Lock(), threading.Event()
listener = socket.create_server(("127.0.0.1", 0))


def serve():
    with lock:
        held.set()
        listener.accept()


@atexit.register
def goodbye():
    labkit.ready()
    lock.acquire()


threading.Thread(target=serve, name="server", daemon=True).start()
held.wait()
