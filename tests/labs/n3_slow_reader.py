"""N3: a thread reads the output of a child line by line and takes its time for each; the main thread waits for the child,
which is often in a write. Twin of b1_popen_wait.py.
"""

import subprocess
import sys
import threading
import time

import labkit


def read_slowly():
    for line in child.stdout:
        time.sleep(0.2)


child = subprocess.Popen([sys.executable, "-c", "while True: print('x' * 60)"], stdout=subprocess.PIPE)
labkit.await_syscall(child.pid, labkit.WRITE, process=child.pid)
thread = threading.Thread(target=read_slowly, name="reader", daemon=True)
thread.start()
labkit.await_syscall(thread.native_id, labkit.NANOSLEEP)
labkit.ready()
child.wait()
