"""N1: the parent waits for a child that somebody has stopped."""

import os
import signal
import subprocess

import labkit

child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
labkit.await_syscall(child.pid, labkit.READ, process=child.pid)
os.kill(child.pid, signal.SIGSTOP)
os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
labkit.ready()
child.wait()
