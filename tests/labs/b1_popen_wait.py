"""B1: a child writes more than its pipe holds, and the parent waits for its end without reading. Must be said: B1, the
line that waits. Twin: n3_child_sleeps.py.
"""

import subprocess
import sys

import labkit


def run():
    child = subprocess.Popen([sys.executable, "-c", "print('x' * 1_000_000)"], stdout=subprocess.PIPE)
    labkit.await_syscall(child.pid, labkit.WRITE, process=child.pid)
    labkit.ready()
    child.wait()  # BLAME


run()
