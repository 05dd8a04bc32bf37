"""B3: a server in another process has accepted, and waits for something that is none of the client's business. Must be said:
B3.
"""

import socket
import subprocess
import sys

import labkit

SERVER = """
import os, socket, threading
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection = server.accept()[0]
server.close()
threading.Event().wait()
"""


def ask():
    client.sendall(b"?")
    return client.recv(1)  # BLAME


child = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
client = socket.create_connection(("127.0.0.1", int(child.stdout.readline())))
labkit.await_syscall(child.pid, labkit.FUTEX, process=child.pid)
labkit.ready()
ask()
