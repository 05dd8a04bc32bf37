"""P6 of three: this process waits for a shell, the shell for cat, and cat for input from this process; a decoy thread
sleeps in a loop. Must be said: P6.
"""

import subprocess
import threading
import time

import labkit


def beat():
    while True:
        time.sleep(0.05)


def run():
    child = subprocess.Popen(["/bin/sh", "-c", "cat; true"], stdin=subprocess.PIPE)
    cat = labkit.await_child(child.pid)
    labkit.await_syscall(cat, labkit.READ, process=cat)
    threading.Thread(target=beat, name="beat", daemon=True).start()
    labkit.ready()
    child.wait()  # BLAME


run()
