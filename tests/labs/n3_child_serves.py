"""N3: a supervisor waits for its server, which waits for connections."""

import subprocess
import sys

import labkit

SERVER = "import socket; server = socket.create_server(('127.0.0.1', 0)); print(1, flush=True); server.accept()"
child = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
child.stdout.readline()
labkit.await_syscall(child.pid, labkit.ACCEPT, process=child.pid)
labkit.ready()
child.wait()
