"""P6 of two that each wait for the other's next message. Must be said: P6."""

import socket
import subprocess
import sys

import labkit


def ask():
    ours.recv(1)  # BLAME


ours, theirs = socket.socketpair()
child = subprocess.Popen([sys.executable, "-c", "import os; os.read(0, 1)"], stdin=theirs)
theirs.close()
labkit.await_syscall(child.pid, labkit.READ, process=child.pid)
labkit.ready()
ask()
