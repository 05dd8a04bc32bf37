"""B1 the other way round: the main thread feeds a child that does not read its input, because it waits for more of its
other input. Must be said: B1, the line that writes.
"""

import os
import subprocess
import sys

import labkit

READS_OTHER = "import os; os.read(int(__import__('sys').argv[1]), 1)"


def feed(child):
    child.stdin.write(b"x" * 1_000_000)  # BLAME


other, ours = os.pipe()
child = subprocess.Popen([sys.executable, "-c", READS_OTHER, str(other)], stdin=subprocess.PIPE, pass_fds=[other])
os.close(other)
labkit.await_syscall(child.pid, labkit.READ, process=child.pid)
labkit.ready()
feed(child)
