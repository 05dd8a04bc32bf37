"""B1 two processes down: a shell waits for the program that it runs, and that one writes into a pipe which nobody reads.
A decoy thread sleeps in a loop. Must be said: B1.
"""

import os
import subprocess
import sys
import threading
import time

import labkit


def beat():
    while True:
        time.sleep(0.05)


def run():
    code = "import os; os.write(2, b'%d' % os.getpid()); os.write(1, b'x' * 1_000_000)"
    child = subprocess.Popen(
        ["/bin/sh", "-c", f'"{sys.executable}" -c "{code}"; true'], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    writer = int(os.read(child.stderr.fileno(), 20))
    labkit.await_syscall(writer, labkit.WRITE, process=writer)
    threading.Thread(target=beat, name="beat", daemon=True).start()
    labkit.ready()
    os.waitpid(child.pid, 0)  # BLAME


run()
