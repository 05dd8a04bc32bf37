"""N3: main waits for an Event that a live worker thread will set: the worker serves a socket. Twin of l3_asyncio_lock.py.
"""

import socket
import threading

import labkit

done = threading.Event()
server = socket.create_server(("127.0.0.1", 0))


def serve():
    server.accept()
    done.set()


worker = threading.Thread(target=serve, name="server", daemon=True)
worker.start()
labkit.await_syscall(worker.native_id, {7, 43, 288})
labkit.ready()
done.wait()
