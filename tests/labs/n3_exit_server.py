"""N3: the script has ended, and what lives on by design is a thread that serves connections. Twin of i3_event.py."""

import socket
import threading

import labkit

listener = socket.create_server(("127.0.0.1", 0))


def serve():
    while True:
        listener.accept()


threading.Thread(target=serve, name="server").start()
threading._register_atexit(labkit.ready)
