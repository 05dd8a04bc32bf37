"""P6: the parent waits for the end of cat, and cat waits for the end of its input, which the parent has. Must be said: P6.
Twin: n3_child_works.py.
"""

import subprocess

import labkit


def run():
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    labkit.await_syscall(child.pid, labkit.READ, process=child.pid)
    labkit.ready()
    child.wait()  # BLAME


run()
