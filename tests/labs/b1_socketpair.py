"""B1 over a unix socket, in a joined thread: both ends send, and neither receives. Must be said: B1."""

import socket
import subprocess
import sys
import threading

import labkit

SENDS = "import socket; socket.socket(fileno=0).sendall(b'x' * 10_000_000)"


def send():
    ours.sendall(b"x" * 10_000_000)  # BLAME


ours, theirs = socket.socketpair()
child = subprocess.Popen([sys.executable, "-c", SENDS], stdin=theirs)
theirs.close()
labkit.await_syscall(child.pid, labkit.SEND, process=child.pid)
thread = threading.Thread(target=send, name="sender", daemon=True)
thread.start()
labkit.await_syscall(thread.native_id, labkit.SEND)
labkit.ready(blame=thread.native_id)
thread.join()
