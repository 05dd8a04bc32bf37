"""N3, or undetermined: a server with one client waits for its next request, and the client for a human. Twin of
b3_silent_server.py.
"""

import os
import socket
import subprocess
import sys

import labkit

CLIENT = """
import os, socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
main, terminal = os.openpty()
os.read(terminal, 1)
"""
server = socket.create_server(("127.0.0.1", 0))
child = subprocess.Popen([sys.executable, "-c", CLIENT, str(server.getsockname()[1])])
connection = server.accept()[0]
labkit.await_syscall(child.pid, labkit.READ, process=child.pid)
labkit.ready()
connection.recv(1)
